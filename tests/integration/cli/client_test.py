"""What a hostile or broken server can do to the command line: nothing but make it fail."""

import contextlib
import hashlib
import json
import socket
import struct
import subprocess
import threading
import unittest
from unittest import mock

from support import FAILED, NETWORK, NOT_AUTHORISED, USAGE, VERIFICATION, CliTest, live


@contextlib.contextmanager
def answering(answer):
    """A server that reads a request and writes `answer`, a function of the socket and the request's head."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                requests.append(connection.recv(65536))
                answer(connection, requests[-1])

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.close()


def json_answer(body, status="200 OK", kind="application/json"):
    text = json.dumps(body).encode()
    return (f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n").encode() + text


class Log:
    """An audit log without an end; the chain is that of schema/audit.md."""

    def __init__(self):
        self.row, self.hash = 0, bytes(32)

    def more(self, count):
        return [self.next_row() for _ in range(count)]

    def next_row(self):
        self.row += 1
        previous = self.hash
        texts = b"".join(struct.pack("<I", len(text)) + text for text in (b"token:a", b"yank", b"x", b"{}"))
        self.hash = hashlib.sha256(b"mpyd audit v1\0" + previous + struct.pack("<QQ", self.row, 1) + texts).digest()
        return {"id": self.row, "time_unix_s": 1, "actor": "token:a", "action": "yank", "subject": "x", "detail": "{}",
                "previous": previous.hex(), "hash": self.hash.hex()}


class Client(CliTest):
    ENV = {"MPYD_TOKEN": "a-token"}

    def ask(self, code, url, **kwargs):
        return self.run_fails(code, "release", "list", "--server", url, env=self.ENV, **kwargs)

    def test_a_redirect_is_not_followed(self):
        with answering(lambda c, _: c.sendall(json_answer({"releases": []}))) as (elsewhere, got):
            redirect = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
            with answering(lambda c, _: c.sendall(redirect)) as (url, _):
                self.ask(FAILED, url)
            self.assertEqual(got, [])

    def test_an_endless_answer_ends_at_its_bound(self):
        def endless(connection, _):
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            piece = b"100000\r\n" + bytes(0x100000) + b"\r\n"
            while True:
                connection.sendall(piece)

        def lying(connection, _):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")

        for answer in (endless, lying):
            with answering(answer) as (url, _):
                self.ask(VERIFICATION, url, saying="larger than")

    def test_an_answer_of_one_thing_ends_at_a_smaller_bound(self):
        def large(connection, _):
            connection.sendall(json_answer({"name": "x" * (2 << 20)}))

        for command in (("device", "move"), ("token", "create", "--name", "ci", "--scope", "read"), ("token", "revoke", "ci")):
            with answering(large) as (url, _), self.subTest(command=command):
                self.run_fails(VERIFICATION, *command, "--server", url, env=self.ENV, saying="larger than 1048576 bytes")

    def test_a_list_of_large_pages_ends_at_its_bound(self):
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        page = json.dumps({"releases": [{"version": "x" * (50 << 20)}]}).encode()

        def endless(connection, request):
            number = len(requests)
            connection.sendall(f"{head}Link: </v1/admin/releases?cursor={number}>; rel=\"next\"\r\n"
                               f"Content-Length: {len(page)}\r\n\r\n".encode() + page)

        with answering(endless) as (url, requests):
            done = self.ask(VERIFICATION, url, saying="more than 268435456 bytes")
            self.assertIn("hint: ", done.stderr)
            self.assertEqual(len(requests), 6)

    def test_an_audit_log_that_grows_while_it_is_verified_has_an_end(self):
        """Rows whose hashes are right for ever, of a server whose head is row 5 in every answer."""
        log = Log()

        def endless(connection, _):
            connection.sendall(json_answer({"rows": log.more(1000), "head": f"5:{'00' * 32}", "numbered": 5, "foreign": 0}))

        with answering(endless) as (url, requests):
            self.run_fails(VERIFICATION, "audit", "verify", "--server", url, env=self.ENV, saying="row 5 was its last")
            self.assertLess(len(requests), 120)

    def test_no_answer_and_no_server_are_network_failures(self):
        with answering(lambda c, _: None) as (url, _):
            self.ask(NETWORK, url)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        done = self.ask(NETWORK, f"http://127.0.0.1:{port}")
        self.assertIn("hint: ", done.stderr)

    def test_an_answer_that_is_no_json_is_refused(self):
        for body in (b"<html>", b"[1,2]", b'{"releases": 7}', b'{"releases": [3]}', b"[" * 100000):
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            with answering(lambda c, _: c.sendall(head + body)) as (url, _), self.subTest(body=body[:20]):
                self.ask(VERIFICATION, url)

    def test_a_problem_becomes_its_exit_code_message_and_hint(self):
        problem = {"title": "t", "status": 409, "detail": "that was published before", "code": "conflict", "hint": "do x"}
        answer = json_answer(problem, "409 Conflict", "application/problem+json")
        with answering(lambda c, _: c.sendall(answer)) as (url, requests):
            done = self.ask(5, url, saying="that was published before")
            self.assertIn("hint: do x", done.stderr)
            self.assertIn(b"Authorization: Bearer a-token", requests[0])

    def test_the_words_of_a_server_do_not_steer_the_terminal(self):
        problem = {"detail": "\x1b]0;owned\x07 \x1b[2J", "code": "conflict"}
        with answering(lambda c, _: c.sendall(json_answer(problem, "409 Conflict"))) as (url, _):
            self.assertNotIn("\x1b", self.ask(5, url).stderr)

    def test_a_token_does_not_travel_in_clear_beyond_this_machine(self):
        self.ask(NOT_AUTHORISED, "http://192.0.2.1:8781", saying="https")

    def test_other_addresses_than_a_server_are_refused(self):
        for url in ("file:///etc/passwd", "ftp://localhost", "localhost:8781", "http://u:p@localhost", "http://"):
            with self.subTest(url=url):
                self.ask(USAGE, url)


class Tls(CliTest):
    def test_a_certificate_is_verified_with_its_name(self):
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                        "-out", cert], check=True, capture_output=True)
        server = live.Server(self.folder)
        plain_popen = subprocess.Popen

        def with_tls(arguments, **options):
            return plain_popen([*arguments, "--tls-cert", cert, "--tls-key", key], **options)

        with mock.patch.object(subprocess, "Popen", with_tls):
            server.start()
        self.addCleanup(server.stop)
        port = server.ports[1]
        token = dict(token_file=server.token_file)
        self.run_ok("release", "list", "--server", f"https://localhost:{port}", "--ca-file", cert, **token)
        self.run_fails(NETWORK, "release", "list", "--server", f"https://localhost:{port}", saying="TLS", **token)
        self.run_fails(NETWORK, "release", "list", "--server", f"https://127.0.0.1:{port}", "--ca-file", cert,
                       saying="TLS", **token)


if __name__ == "__main__":
    unittest.main()
