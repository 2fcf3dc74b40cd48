#!/usr/bin/python3
"""Broken and hostile HTTP against the real daemon: every request is refused or cut off in bounded time, nothing is smuggled
past a request's end, and the daemon is well afterwards."""

import pathlib
import re
import select
import socket
import time
import unittest

from support import Answer, DaemonCase

MIB16 = 16 << 20
WELL = b"GET /healthz HTTP/1.1\r\nHost: t\r\nX-Request-Id: smuggled\r\n\r\n"
SYNC = b"POST /v1/device/sync HTTP/1.1\r\nHost: t\r\n"

# What is sent, never to be answered by anything but a 4xx or an end; the smuggled request after it never at all.
LENGTHS = [b"-1", b"+5", b"0x5", b"5 5", b"5, 5", b"5,6", b"", b" ", b"5\x0b", b"5\x00", b"1e3", b"99999999999999999999999",
           b"18446744073709551616", b"18446744073709551611", b"5\r\nContent-Length: 5", b"5\r\ncontent-length: 6",
           b"5\r\nTransfer-Encoding: chunked", b"\r\n 5\r\nTransfer-Encoding: chunked"]
CODINGS = [b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding : chunked", b" Transfer-Encoding: chunked",
           b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", b"Transfer-Encoding: \x0bchunked",
           b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: xchunked", b"Transfer-Encoding:\r\n gzip",
           b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b"Content-Length : 5"]
HEADS = [b"GET /healthz HTTP/1.1\r\nHost: t\r\nX: a\x00b\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: t\r\nX\x00: b\r\n\r\n",
         b"GET /healthz HTTP/1.1\r\nHost: t\r\nX : b\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: t\r\n: b\r\n\r\n",
         b"GET /healthz HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n",
         b"GET /healthz HTTP/2.0\r\nHost: t\r\n\r\n", b"GET /healthz HTTP/1.1 \r\nHost: t\r\n\r\n", b"GET /healthz\r\n\r\n",
         b"GET  /healthz HTTP/1.1\r\nHost: t\r\n\r\n", b"GET \r\n\r\n", b"\x00\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
         b"GET /\xff\xfe HTTP/1.1\r\nHost: t\r\n\r\n", b"GET /%00%zz HTTP/1.1\r\nHost: t\r\n\r\n",
         b"GET http://t/healthz HTTP/1.1\r\nHost: t\r\n\r\n", b"G\x01T / HTTP/1.1\r\nHost: t\r\n\r\n",
         b"CONNECT t:80 HTTP/1.1\r\nHost: t\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"A" * 9000 + b" / HTTP/1.1\r\n\r\n",
         b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: t\r\n\r\n", b"GET /" + b"a/" * 3000 + b" HTTP/1.1\r\nHost: t\r\n\r\n",
         b"GET /?" + b"a&" * 3000 + b" HTTP/1.1\r\nHost: t\r\n\r\n",
         b"POST /v1/device/sync HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
CHUNKS = [b"g\r\n", b"-1\r\n", b"+1\r\na\r\n", b"0x1\r\na\r\n", b" 1\r\na\r\n", b"\r\n", b"1 \r\nab\r\n", b"5\r\nhelloX\r\n0\r\n\r\n",
          b"fffffffffffffffff\r\na", b"ffffffffffffffff\r\na", b"7fffffffffffffff\r\na", b"5\nhello\n0\n\n",
          b"5;" + b"x" * 100000 + b"\r\nhello\r\n0\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 10000 + b"\r\n", b"0\r\nX y\r\n\r\n",
          b"1\r\na\r\n" * 20000 + b"0\r\n\r\n"]


class Flight:
    """Connections that are served at the same time, so that waiting for all costs as much as for the slowest."""

    def __init__(self, port):
        self.port = port
        self.open = {}
        self.received = {}
        self.ended_after_s = {}
        self.started = time.monotonic()

    def send(self, name, data, port=None):
        connection = socket.create_connection(("127.0.0.1", port or self.port), timeout=10)
        self.received[name] = b""
        self.open[connection] = name
        try:
            connection.sendall(data)
        except OSError:
            pass  # refused before all was sent
        return connection

    def wait(self, timeout_s, every=None):
        """Until all have ended; `every` is called about once a second with the connections that have not."""
        deadline = time.monotonic() + timeout_s
        next_call = time.monotonic() + 1
        while self.open and time.monotonic() < deadline:
            readable, _, _ = select.select(list(self.open), [], [], 0.2)
            for connection in readable:
                try:
                    data = connection.recv(65536)
                except OSError:
                    data = b""
                self.received[self.open[connection]] += data
                if not data:
                    self.ended_after_s[self.open.pop(connection)] = time.monotonic() - self.started
                    connection.close()
            if every and time.monotonic() >= next_call:
                next_call += 1
                every(list(self.open))
        left = list(self.open.values())
        for connection in self.open:
            connection.close()
        return left


class Hostile(DaemonCase):
    HEADER_TIMEOUT_S = 10
    BODY_TIMEOUT_S = 15
    LINGER_S = 2
    SLACK_S = 3

    def assert_refused(self, requests, port=None):
        """Each gets one 4xx answer or none, ends in bounded time, and what it carries behind it is never read."""
        flight = Flight(port or self.device_port)
        for data in requests:
            flight.send(data, data)
        self.assertEqual(flight.wait(self.BODY_TIMEOUT_S + self.LINGER_S + self.SLACK_S), [])
        for data, received in flight.received.items():
            with self.subTest(data[:120]):
                self.assertNotIn(b"smuggled", received)
                self.assertLessEqual(received.count(b"HTTP/1.1 "), 1)
                if received:
                    self.assertIn(Answer(received.split(b"\r\n\r\n")[0], b"").status, range(400, 500))
        self.assert_well()

    def assert_well(self):
        for port in (self.device_port, self.admin_port):
            self.assertEqual(self.request("GET", "/readyz", port=port).status, 200)
        self.assertIsNone(self.server.process.poll())
        self.assertNotIn("Sanitizer", (self.folder / "server.log").read_text())

    def test_a41_a_length_that_lies_is_refused(self):
        self.assert_refused([SYNC + b"Content-Length: " + length + b"\r\n\r\nhello" + WELL for length in LENGTHS])

    def test_a41_a_request_is_not_smuggled_by_its_coding(self):
        self.assert_refused([SYNC + coding + b"\r\n\r\n0\r\n\r\n" + WELL for coding in CODINGS])

    def test_a41_a_broken_head_is_refused(self):
        self.assert_refused([head + WELL for head in HEADS])

    def test_a41_lines_end_with_carriage_return_and_line_feed(self):
        self.assert_refused([b"GET /healthz HTTP/1.1\nHost: t\n\n" + WELL.replace(b"\r", b""),
                             b"GET /healthz HTTP/1.1\rHost: t\r\r", b"GET /healthz HTTP/1.1\r\nHost: t\n\n" + WELL])

    def test_a12_a_broken_or_endless_chunk_is_refused(self):
        head = SYNC + b"Transfer-Encoding: chunked\r\n\r\n"
        self.assert_refused([head + chunk + b"0\r\n\r\n" + WELL for chunk in CHUNKS if not chunk.endswith(b"0\r\n\r\n")] +
                            [head + chunk for chunk in CHUNKS])

    def test_a12_extensions_of_chunks_do_not_add_up(self):
        flight = Flight(self.device_port)
        connection = flight.send("extensions", SYNC + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = [0]

        def send_more(_):
            try:
                for _ in range(200):
                    connection.sendall(b"1;" + b"y" * 4000 + b"\r\na\r\n")
                    sent[0] += 4007
            except OSError:
                pass

        self.assertEqual(flight.wait(self.BODY_TIMEOUT_S + self.LINGER_S + self.SLACK_S, send_more), [])
        print(f"{sent[0] / 1e6:.1f} MB of chunk extensions until the end")
        self.assert_well()

    def test_a41_a_folded_header_is_one_line(self):
        answer = self.request("GET", "/healthz", {"X-Folded": "a\r\n b", "X-Request-Id": "fold"})
        self.assertEqual((answer.status, answer.headers["x-request-id"]), (200, "fold"))

    def test_a41_a_flood_of_headers_is_refused(self):
        small = b"".join(b"H%d: x\r\n" % n for n in range(20000))
        self.assert_refused([b"GET /healthz HTTP/1.1\r\nHost: t\r\n" + small + b"\r\n" + WELL,
                             b"GET /healthz HTTP/1.1\r\nHost: t\r\nX: " + b"y" * 5_000_000 + b"\r\n\r\n",
                             b"GET /healthz HTTP/1.1\r\nHost: t\r\n" + b"\r\n".join([b"X:" + b" " * 4000] * 5) + b"\r\n\r\n"])
        many = {f"H{n}": "x" for n in range(500)}
        self.assertEqual(self.request("GET", "/healthz", many).status, 200)

    def test_a13_what_trickles_is_cut_off(self):
        flight = Flight(self.device_port)
        for n in range(20):
            flight.send(f"head {n}", b"GET /healthz HTTP/1.1\r\n")
            flight.send(f"body {n}", SYNC + b"Content-Length: 16384\r\n\r\n")
            flight.send(f"chunk {n}", SYNC + b"Transfer-Encoding: chunked\r\n\r\n")
        # Whoever may publish may announce much, but not send it for ever.
        upload = (f"POST /v1/admin/releases HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {self.token}\r\n"
                  "Content-Type: application/vnd.mpyd.packages\r\nContent-Length: 60000000\r\n\r\n")
        flight.send("upload 0", upload.encode(), self.admin_port)
        # What came fast is no credit: 4 MiB at the slowest rate would be good for four minutes.
        flight.send("upload fast", upload.encode() + bytes(4 << 20), self.admin_port)
        beginnings = {"head": b"X", "body": b"b", "chunk": b"1\r\na\r\n", "upload": b"u"}
        latencies = []

        def trickle(connections):
            for connection in connections:
                try:
                    connection.sendall(beginnings[flight.open[connection].split(" ")[0]])
                except OSError:
                    pass
            before = time.monotonic()
            self.assertEqual(self.request("GET", "/healthz").status, 200)
            latencies.append(time.monotonic() - before)

        self.assertEqual(flight.wait(self.BODY_TIMEOUT_S + self.LINGER_S + self.SLACK_S, trickle), [])
        for name, seconds in flight.ended_after_s.items():
            bound = self.HEADER_TIMEOUT_S if name.startswith("head") else self.BODY_TIMEOUT_S
            self.assertLess(seconds, bound + self.LINGER_S + self.SLACK_S, name)
        print(f"62 connections of one byte a second: /healthz at most {max(latencies) * 1000:.0f} ms")
        self.assert_well()

    def test_a41_pipelined_requests_are_answered_in_order(self):
        connection = self.connect()
        count = 500
        connection.send(b"".join(b"GET /healthz HTTP/1.1\r\nHost: t\r\nX-Request-Id: %d\r\n\r\n" % n for n in range(count)))
        self.assertEqual([connection.receive().headers["x-request-id"] for _ in range(count)], [str(n) for n in range(count)])

    def test_a_half_closed_connection_gets_its_answer(self):
        connection = self.connect()
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n")
        connection.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(connection.receive().status, 200)
        self.assertTrue(connection.at_end())
        half = self.connect()
        half.send(SYNC + b"Content-Length: 10\r\n\r\nhalf")
        half.socket.shutdown(socket.SHUT_WR)
        self.assertTrue(half.at_end())

    def test_a41_a_body_of_the_wrong_type_is_refused_before_it_is_read(self):
        connection = self.connect(self.admin_port)
        connection.send(f"POST /v1/admin/releases HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {self.token}\r\n"
                        "Content-Type: text/plain\r\nContent-Length: 60000000\r\nExpect: 100-continue\r\n\r\n".encode())
        self.assertEqual(connection.receive().status, 415)
        self.assertTrue(connection.at_end())

    def test_a41_a_key_twice_is_refused(self):
        for body in (b'{"name":"a","name":"b","scopes":["read"]}', b'{"name":"a","scopes":["read"],"x":{"y":1,"y":2}}',
                     b'{"na\\u006de":"a","name":"a","scopes":["read"]}'):
            with self.subTest(body):
                answer = self.request("POST", "/v1/admin/tokens", {"Authorization": f"Bearer {self.token}"}, body, self.admin_port)
                self.assertIn("twice", self.assert_problem(answer, 400, "malformed")["detail"])

    def test_many_values_do_not_multiply_a_body_in_memory(self):
        def peak_bytes():
            status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
            return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

        before = peak_bytes()
        for value in (b'""', b"0", b"[]", b"{}"):
            with self.subTest(value):
                body = b'{"head":"","entries":[' + b",".join([value] * (MIB16 // (len(value) + 1) - 20)) + b"]}"
                answer = self.request("PUT", "/v1/admin/trust/targets", {"Authorization": f"Bearer {self.token}"}, body,
                                      self.admin_port)
                self.assertIn("JSON values", self.assert_problem(answer, 422, "limit")["detail"])
        grown = peak_bytes() - before
        print(f"bodies of 16 MiB: {grown / 1e6:.0f} MB more at the peak")
        self.assertLess(grown, 6 * MIB16)
        self.assert_well()


if __name__ == "__main__":
    unittest.main()
