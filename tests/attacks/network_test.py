#!/usr/bin/python3
"""Attacks by whoever holds the network between motherboards and their server. Names start with the attack's id."""

import hashlib
import http.client
import json
import socket
import time
import unittest

import scene
from hostile_network import body_of, response
from scene import live

PACKAGES = "/v1/packages/"
SYNC = "/v1/device/sync"
# What a package that is not the chosen one may be called, depending on what is looked at first.
NOT_THE_PACKAGE = ("bad_digest", "bad_signature", "bad_magic", "malformed", "truncated", "trailing", "untrusted", "unsupported", "limit",
                   "no_key")


class OnTheWay(scene.Scene):
    """The network answers something else than the server said."""

    def serve_instead(self, body):
        self.network.answer = lambda request, forward: (
            response(body) if request.path.startswith(PACKAGES) else forward())

    def assert_refused_then_served(self, board, errors):
        refused = board.wait_event("refused", slot=0)
        self.assertIn(refused["error"], errors)
        self.assert_nothing_ran(board)
        self.assertEqual([p.name for p in board.cache.iterdir() if p.name.startswith("p-")], [])
        # Nothing is spoiled: an honest network serves the same board.
        self.network.answer = None
        board.wait_event("loaded", slot=0)
        self.assertIn(scene.CANARY, self.said(board))
        self.assertNotIn(scene.STRANGER, self.said(board))

    def test_A01_a_package_that_a_stranger_signed_is_refused(self):
        self.serve_instead(self.strangers_package().read_bytes()[: self.package["bytes"]])
        board = self.motherboard()
        board.plug(0, self.image)
        self.assert_refused_then_served(board, NOT_THE_PACKAGE)

    def test_A15_an_older_package_in_place_of_the_chosen_one_is_refused_though_its_signature_is_good(self):
        old = self.fetch(self.package["digest"])
        newer = self.make_driver("newer", scene.CANARY + " again")
        self.server.publish(newer, version="1.1.0")
        self.serve_instead(old)
        board = self.motherboard()
        board.plug(0, self.image)
        refused = board.wait_event("refused", slot=0)
        self.assertIn(refused["error"], NOT_THE_PACKAGE)
        self.assert_nothing_ran(board)

    def test_A22_one_bad_mirror_costs_a_try_and_no_more(self):
        bad = iter(range(1))
        self.network.answer = lambda request, forward: (
            response(b"\xff" * self.package["bytes"])
            if request.path.startswith(PACKAGES) and next(bad, None) is not None else forward())
        board = self.motherboard()
        board.plug(0, self.image)
        self.assertIn(board.wait_event("refused", slot=0)["error"], NOT_THE_PACKAGE)
        board.wait_event("loaded", slot=0)

    def test_A36_a_redirection_is_not_followed(self):
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            elsewhere.settimeout(1.5)
            place = f"Location: http://127.0.0.1:{elsewhere.getsockname()[1]}/x"
            for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
                self.network.answer = lambda request, forward, status=status: (
                    response(b"", place, status=status) if request.path.startswith(PACKAGES) else forward())
                board = self.motherboard()
                board.plug(0, self.image)
                self.assertEqual(board.wait_event("offline")["error"], "unreachable")
                self.assert_nothing_ran(board)
                board.stop()
            with self.assertRaises(TimeoutError):
                elsewhere.accept()

    def fetch(self, digest):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        self.addCleanup(connection.close)
        connection.request("GET", PACKAGES + digest)
        body = connection.getresponse().read()
        self.assertEqual(hashlib.sha256(body).hexdigest(), digest)
        return body


class Starving(scene.Scene):
    """The network lets nothing through, or too much, or too slowly."""

    def test_A12_a_body_that_never_ends_is_read_to_its_announced_length_and_no_further(self):
        def endless(request, forward):
            if not request.path.startswith(PACKAGES):
                yield forward()
                return
            yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            while True:
                yield b"1000\r\n" + b"x" * 4096 + b"\r\n"

        def too_long(request, forward):
            if not request.path.startswith(PACKAGES):
                yield forward()
                return
            yield response(b"", length=1 << 40)
            while True:
                yield b"x" * 65536

        for answer in (endless, too_long):
            self.network.answer = answer
            self.network.sent = 0
            board = self.motherboard()
            board.plug(0, self.image)
            first = live.wait_for("a refusal", lambda board=board: board.events and next(
                (e for e in board.events if e["event"] in ("refused", "offline")), None))
            self.assertIn(first["error"], ("limit", "malformed", "unreachable"))
            self.assert_nothing_ran(board)
            board.stop()
            # What the kernels had in flight, not what the agent read.
            self.assertLess(self.network.sent, 16 << 20)

    def test_A13_a_package_at_a_byte_a_second_is_given_up(self):
        def drip(request, forward):
            answer = forward()
            if not request.path.startswith(PACKAGES):
                yield answer
                return
            for byte in answer:
                yield bytes([byte])
                time.sleep(0.05)

        self.network.answer = drip
        board = self.motherboard(fetch_timeout_ms=1500)
        board.plug(0, self.image)
        self.assertEqual(board.wait_event("offline")["error"], "timeout")
        self.assert_nothing_ran(board)
        self.network.answer = None
        board.wait_event("loaded", slot=0)

    def test_A14_a_server_that_is_not_reached_leaves_what_the_board_carries(self):
        carried = self.make_image("--package", self.pack(self.driver, self.server.publisher, version="1.0.1", release=1))
        board = self.motherboard(sync_timeout_ms=1000)
        board.plug(1, self.image)
        board.wait_event("loaded", slot=1)

        def black_hole(_request, _forward):
            time.sleep(5)
            yield None

        self.network.answer = black_hole
        board.plug(0, carried)
        start = time.monotonic()
        board.wait_event("loaded", slot=0)
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(board.wait_event("offline")["error"], "timeout")


class Replayed(scene.Scene):
    """The network repeats what it heard."""

    def test_A28_A10_an_answer_from_yesterday_is_none_to_todays_question(self):
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)
        kept = []

        def repeat(request, forward):
            if request.path != SYNC:
                return forward()
            if not kept:
                kept.append(forward())
            return kept[0]

        self.network.answer = repeat
        board.wait_event("offline")
        self.assertEqual(board.wait_event("offline")["error"], "replayed")
        self.assertEqual(board.ask("slots")["answer"][0]["state"], "running")
        online = board.count("synced")
        self.network.answer = None
        board.wait_event("synced", count=online + 1)

    def test_A28_a_report_that_is_sent_again_changes_nothing_on_the_server(self):
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)
        board.wait_event("synced", count=board.count("synced") + 1)
        first_reports = self.network.asked_for(SYNC)
        board.pull(0)
        board.wait_event("removed", slot=0)
        board.wait_event("synced", count=board.count("synced") + 2)
        board.stop()
        device = self.devices()[0]
        before = self.server.admin("device", "show", device, "--json").stdout, self.audit()
        for request in first_reports:
            self.network.forward(request.bytes)
        self.assertEqual((self.server.admin("device", "show", device, "--json").stdout, self.audit()), before)

    def test_A28_a_request_sent_back_to_its_device_is_no_answer(self):
        board = self.motherboard()
        board.wait_event("synced")
        self.network.answer = lambda request, forward: (
            response(request.body) if request.path == SYNC else forward())
        self.assertIn(board.wait_event("offline")["error"], ("malformed", "replayed", "decryption"))

    def test_A02_no_bit_of_a_sync_answer_may_change(self):
        board = self.motherboard(sync_interval_ms=100, retry_min_ms=50, retry_max_ms=50)
        board.wait_event("synced")
        answers = iter(range(0, 10_000, 97))

        def flip(request, forward):
            answer = forward()
            if request.path != SYNC:
                return answer
            body = bytearray(body_of(answer))
            bit = next(answers) % (8 * len(body))
            body[bit // 8] ^= 1 << bit % 8
            return response(bytes(body))

        self.network.answer = flip
        board.wait_event("offline")
        synced = board.count("synced")
        asked = len(self.network.asked_for(SYNC))
        live.wait_for("twenty answers", lambda: len(self.network.asked_for(SYNC)) > asked + 20)
        self.assertEqual(board.count("synced"), synced)
        board.plug(0, self.image)
        board.wait_event("refused", slot=0)
        self.assert_nothing_ran(board)

    def devices(self):
        return [d["id"] for d in json.loads(self.server.admin("device", "list", "--json").stdout)["devices"]]


if __name__ == "__main__":
    unittest.main(verbosity=2)
