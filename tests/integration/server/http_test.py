#!/usr/bin/python3
"""The device listener's HTTP: packages and documents, and everything a bad client may do."""

import hashlib
import socket
import time
import unittest

from support import DaemonCase


class Packages(DaemonCase):
    def get(self, method="GET", **headers):
        return self.request(method, f"/v1/packages/{self.digest}",
                            {name.replace("_", "-"): value for name, value in headers.items()})

    def test_a_package_is_what_its_name_says_and_may_be_cached_for_ever(self):
        answer = self.get()
        self.assertEqual(answer.status, 200)
        self.assertEqual(hashlib.sha256(answer.body).hexdigest(), self.digest)
        self.assertEqual(answer.headers["etag"], f'"{self.digest}"')
        self.assertEqual(answer.headers["cache-control"], "public, max-age=31536000, immutable")
        self.assertEqual(answer.headers["accept-ranges"], "bytes")

    def test_head_tells_the_length_and_sends_no_body(self):
        whole = self.get()
        answer = self.get("HEAD")
        self.assertEqual(int(answer.headers["content-length"]), len(whole.body))
        self.assertEqual(answer.headers["etag"], whole.headers["etag"])

    def test_ranges(self):
        whole = self.get().body
        size = len(whole)
        for header, first, last in [("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), (f"bytes=5-{size + 100}", 5, size - 1),
                                    ("bytes=7-", 7, size - 1), ("bytes=-9", size - 9, size - 1),
                                    (f"bytes=-{size + 5}", 0, size - 1)]:
            with self.subTest(header):
                answer = self.get(Range=header)
                self.assertEqual(answer.status, 206)
                self.assertEqual(answer.headers["content-range"], f"bytes {first}-{last}/{size}")
                self.assertEqual(answer.body, whole[first:last + 1])
        for header in (f"bytes={size}-", "bytes=-0"):
            with self.subTest(header):
                answer = self.get(Range=header)
                self.assert_problem(answer, 416, "invalid_argument")
                self.assertEqual(answer.headers["content-range"], f"bytes */{size}")
        for header in ("bytes=5-2", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=99999999999999999999-"):
            with self.subTest(header):
                answer = self.get(Range=header)
                self.assertEqual((answer.status, answer.body), (200, whole))

    def test_conditions(self):
        etag = f'"{self.digest}"'
        for value in (etag, f'"other", {etag}', f"W/{etag}", "*"):
            with self.subTest(value):
                answer = self.get(If_None_Match=value)
                self.assertEqual((answer.status, answer.body), (304, b""))
                self.assertNotIn("content-length", answer.headers)
        self.assertEqual(self.get(If_None_Match='"other"').status, 200)
        self.assertEqual(self.get(Range="bytes=0-3", If_Range=etag).status, 206)
        self.assertEqual(self.get(Range="bytes=0-3", If_Range='"other"').status, 200)

    def test_what_is_not_there_is_not_found(self):
        for target in ("/v1/packages/" + "0" * 64, "/v1/packages/short", f"/v1/packages/{self.digest}/x", "/v1/packages/",
                       "/v1/packages/..%2f..%2fetc%2fpasswd", "/v1/device/root/0", "/v1/device/root/2", "/"):
            with self.subTest(target):
                self.assert_problem(self.request("GET", target), 404, "not_found")
        self.assert_problem(self.request("GET", "/v1/device/root/x"), 400, "invalid_argument")

    def test_who_mixes_up_the_listeners_is_told_so(self):
        for target, port in (("/v1/admin/status", self.device_port), ("/v1/device/targets", self.admin_port)):
            with self.subTest(target):
                answer = self.request("GET", target, port=port)
                self.assert_problem(answer, 404, "invalid_argument")
                self.assertIn("listener", answer.json()["detail"])


class Documents(DaemonCase):
    def test_root_and_head_are_served_as_they_were_signed(self):
        root = self.request("GET", "/v1/device/root/1")
        self.assertEqual(root.body, self.server.root.read_bytes())
        self.assertIn("immutable", root.headers["cache-control"])
        self.assertEqual(self.request("GET", "/v1/device/targets").status, 200)

    def test_health(self):
        for port in (self.device_port, self.admin_port):
            for target in ("/healthz", "/readyz"):
                self.assertEqual(self.request("GET", target, port=port).json(), {"status": "ok"})


class Protocol(DaemonCase):
    def test_requests_on_one_connection_are_answered_in_order(self):
        connection = self.connect()
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: t\r\nX-Request-Id: one\r\n\r\n"
                        b"GET /nothing HTTP/1.1\r\nHost: t\r\nX-Request-Id: two\r\n\r\n"
                        b"GET /healthz HTTP/1.1\r\nHost: t\r\nX-Request-Id: three\r\nConnection: close\r\n\r\n")
        answers = [connection.receive() for _ in range(3)]
        self.assertEqual([a.headers["x-request-id"] for a in answers], ["one", "two", "three"])
        self.assertEqual([a.status for a in answers], [200, 404, 200])
        self.assertTrue(connection.at_end())

    def test_a_request_id_that_is_unfit_for_a_log_is_replaced(self):
        answer = self.request("GET", "/healthz", {"X-Request-Id": "a b\tc"})
        self.assertRegex(answer.headers["x-request-id"], "^[0-9a-f]{16}$")

    def test_http_1_0_gets_a_length_and_a_closed_connection(self):
        connection = self.connect()
        connection.send(f"GET /v1/packages/{self.digest} HTTP/1.0\r\n\r\n".encode())
        answer = connection.receive()
        self.assertNotIn("transfer-encoding", answer.headers)
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(hashlib.sha256(answer.body).hexdigest(), self.digest)
        self.assertTrue(connection.at_end())

    def test_a_wrong_method_is_told_the_right_ones(self):
        answer = self.request("PUT", "/v1/device/sync", body=b"x")
        self.assert_problem(answer, 405, "invalid_argument")
        self.assertEqual(answer.headers["allow"], "POST")

    def test_garbage_is_refused(self):
        for data in (b"hello\r\n\r\n", b"GET /healthz HTTP/1.1\r\nbroken header\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n",
                     b"GET http://[ HTTP/1.1\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: t\r\n\r\n",
                     b"POST /v1/device/sync HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST /v1/device/sync HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"):
            with self.subTest(data):
                connection = self.connect()
                connection.send(data)
                answer = connection.receive()
                self.assertEqual(answer.status, 400)
                self.assertTrue(connection.at_end())

    def test_a41_a_request_whose_end_is_not_certain_is_refused_and_nothing_after_it_is_read(self):
        smuggled = b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"
        for codings in ([b"xchunked"], [b"identity"], [b"gzip"], [b"chunked, identity"], [b"gzip, chunked"], [b""], [b"gzip", b"chunked"]):
            with self.subTest(codings):
                connection = self.connect()
                fields = b"".join(b"Transfer-Encoding: " + coding + b"\r\n" for coding in codings)
                connection.send(b"POST /v1/device/sync HTTP/1.1\r\nHost: t\r\n" + fields + b"\r\n" + smuggled)
                self.assert_problem(connection.receive(), 400, "malformed")
                self.assertTrue(connection.at_end())

    def test_chunked_is_taken_however_it_is_written(self):
        connection = self.connect()
        connection.send(b"POST /v1/device/sync HTTP/1.1\r\nHost: t\r\nTransfer-Encoding:  CHUNKED \r\n\r\n0\r\n\r\n")
        self.assert_problem(connection.receive(), 400, "truncated")
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n")
        self.assertEqual(connection.receive().status, 200)

    def test_http_1_1_needs_a_host(self):
        connection = self.connect()
        connection.send(b"GET /healthz HTTP/1.1\r\n\r\n")
        self.assert_problem(connection.receive(), 400, "malformed")
        self.assertTrue(connection.at_end())

    def test_a12_a_body_ends_at_its_bound_whatever_it_claims(self):
        for head in (b"Content-Length: 99999999999", b"Content-Length: 16385"):
            with self.subTest(head):
                connection = self.connect()
                connection.send(b"POST /v1/device/sync HTTP/1.1\r\nHost: t\r\n" + head + b"\r\n\r\nsome of it")
                self.assertEqual(connection.receive().status, 413)
                self.assertTrue(connection.at_end())
        connection = self.connect()
        connection.send(b"POST /v1/device/sync HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(20):
                connection.send(b"1000\r\n" + bytes(0x1000) + b"\r\n")
        except OSError:
            pass
        answer = connection.receive()
        self.assertTrue(answer is None or answer.status == 413)

    def test_a41_headers_are_bounded(self):
        connection = self.connect()
        try:
            for _ in range(40):
                connection.send(b"GET /healthz HTTP/1.1\r\n" if _ == 0 else b"X: " + b"y" * 1000 + b"\r\n")
        except OSError:
            pass
        answer = connection.receive()
        self.assertTrue(answer is None or answer.status == 431)

    def test_a13_a_request_that_trickles_is_cut_off_and_others_are_served_meanwhile(self):
        slow = self.connect()
        slow.send(b"GET /healthz HT")
        started = time.monotonic()
        self.assertEqual(self.request("GET", "/readyz").status, 200)
        self.assertIsNone(slow.receive())
        self.assertLess(time.monotonic() - started, 15)

    def test_a41_many_idle_connections_do_no_harm(self):
        connections = [self.connect() for _ in range(300)]
        self.assertEqual(self.request("GET", "/readyz").status, 200)
        connections[-1].send(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n")
        self.assertEqual(connections[-1].receive().status, 200)

    def test_a_client_that_goes_away_does_no_harm(self):
        for _ in range(20):
            gone = socket.create_connection(("127.0.0.1", self.device_port))
            gone.sendall(f"GET /v1/packages/{self.digest} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            gone.close()
        self.assertEqual(self.request("GET", "/readyz").status, 200)

    def test_a_sync_that_is_none_is_refused_in_clear(self):
        self.assert_problem(self.request("POST", "/v1/device/sync", body=b""), 400, "truncated")
        self.assert_problem(self.request("POST", "/v1/device/sync", body=b"\x01\x02" + bytes(200)), 400, "malformed")
        self.assertEqual(self.request("POST", "/v1/device/sync", body=b"\x01\x01" + bytes(200)).body, b"\x01\x03")


if __name__ == "__main__":
    unittest.main()
