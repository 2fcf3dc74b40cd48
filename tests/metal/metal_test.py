#!/usr/bin/python3
"""The whole way on a Cortex-M3 under QEMU: I2C EEPROMs behind a multiplexer, TCP over Ethernet, native armv7m drivers."""

import re
import shutil
import unittest

from metal_case import REPO, RELAY, THERMO, MetalCase, live, metal
import lossy  # from the folder that metal_case adds


class Metal(MetalCase):
    def test_two_boards_get_their_native_drivers_and_work(self):
        self.publish_both()
        board = self.start()
        self.expect_loaded()
        self.assertIn("6.3-armv7m", board.wait_event("loaded", 0)["detail"])
        for mdeg in (21500, -5250):
            board.set_temperature(0, mdeg)
            self.assertEqual(board.call(0, "temperature"), mdeg)
        board.call(1, "set", 3, 1)
        self.assertEqual(board.call(1, "state"), 8)
        since = board.mark()
        board.tell("pull", 0)
        board.wait_event("removed", 0, since)
        self.assertEqual(board.call(1, "state"), 8)
        board.tell("plug", 0)
        board.wait_event("loaded", 0, since)
        self.assertEqual(board.call(0, "temperature"), -5250)

    def test_a_motherboard_that_is_reset_or_powered_off_loads_again_without_a_server(self):
        self.publish_both()
        board = self.start()
        self.expect_loaded()
        self.server.stop()
        for command in ("reset", "soft_reset"):
            with self.subTest(command):
                since = board.mark()
                board.tell(command)
                board.wait_event("started", since=since)
                self.expect_loaded(since, timeout_s=60)
                board.set_temperature(0, 18000)
                self.assertEqual(board.call(0, "temperature"), 18000)
        board.stop()
        board.start()
        self.expect_loaded(timeout_s=60)
        self.server.start()

    def test_A26_a_motherboard_reset_after_any_event_ends_loaded(self):
        self.publish_both()
        board = self.start()
        since = 0
        for event in ("started", "plugged", "identified", "address", "synced", "chosen", "loaded"):
            with self.subTest(event):
                board.wait_event(event, since=since, timeout_s=60)
                since = board.reset()
        self.expect_works(board)
        self.assertEqual(len(board.find("started")), 8)

    def test_A26_a_motherboard_reset_at_any_request_of_a_session_ends_loaded(self):
        self.publish_both()
        wire = live.Wire(self.server.port)
        self.addCleanup(wire.close)
        seen = {}  # kind of request -> resets: the first before its answer, the second in the middle

        def reset_twice(data, offset, request):
            path = re.findall(rb"(?:GET|POST) (/v1/device/[a-z]+|/v1/[a-z]+)", request)[-1]
            if seen.setdefault(path, 0) < 2:
                seen[path] += 1
                self.board.tell("reset")
                return data[: len(data) // 2 * (seen[path] - 1)]
            return data

        wire.tamper = reset_twice
        board = self.start(port=wire.port)
        self.expect_works(board)
        self.assertEqual(set(seen.values()), {2})
        self.assertIn(b"/v1/packages", seen)
        self.assertIn(b"/v1/device/sync", seen)

    def test_the_server_is_absent_at_first_and_the_drivers_come_when_it_is_there(self):
        self.publish_both()
        metal.provision(self.server, "metal", self.folder / "identity")
        self.server.stop()
        board = self.start()
        for slot in (0, 1):
            self.assertEqual(board.wait_event("refused", slot)["error"], "unreachable")
        self.server.start()
        self.expect_loaded(timeout_s=60)

    def test_a_server_restarted_in_the_middle_of_a_package_costs_a_retry(self):
        self.publish_both()
        wire = live.Wire(self.server.port)
        self.addCleanup(wire.close)
        cut = []

        def cut_once(data, offset, request):
            if request.startswith(b"GET /v1/packages/") and not cut:
                cut.append(offset)
                self.server.kill()
                self.server.start()
                return data[: len(data) // 2]
            return data

        wire.tamper = cut_once
        self.start(port=wire.port)
        self.expect_loaded(timeout_s=60)
        self.assertTrue(cut)

    def test_with_30_percent_of_the_frames_lost_it_ends_loaded(self):
        self.publish_both()
        cable = lossy.LossyCable(self.folder, 0.3)
        self.addCleanup(cable.close)
        # A link like that wants patience, and many tries.
        patient = [f"--agent={name}_ms={ms}" for name, ms in
                   (("sync_timeout", 20000), ("stall_timeout", 20000), ("retry_max", 2000))]
        board = self.start([*cable.arguments, *patient])
        self.expect_loaded(timeout_s=180)
        self.assertGreater(cable.dropped, cable.passed / 5)
        board.set_temperature(0, 30000)
        self.assertEqual(board.call(0, "temperature"), 30000)

    def test_A26_drivers_that_spin_fault_or_eat_the_stack_are_quarantined_and_the_others_load(self):
        self.publish("relay", RELAY)
        culprits = (("spin", "any", "watchdog"), ("fault", "any", "fault"), ("deep", "armv7m", "fault"))
        for i, (culprit, archs, event) in enumerate(culprits):
            with self.subTest(culprit):
                drivers = metal.build_driver(REPO / "tests/metal/drivers" / culprit, self.folder / culprit, archs)
                self.server.delegate(THERMO, "thermo")
                self.server.publish(*drivers, hardware_id=THERMO, name="thermo", version=f"1.0.{i}")
                board = self.start(("--agent=report_delay_ms=100",))
                refused = board.wait_event("refused", 0, error="quarantined", timeout_s=120)
                self.assertEqual(len(board.find(event)), 3)
                self.assertIn("3 times", refused["detail"])
                board.wait_event("loaded", 1, board.events.index(board.find("started")[-1]))
                self.assertIsNotNone(board.call(1, "state"))
                self.end_board()
                shutil.rmtree(self.folder / "board")


if __name__ == "__main__":
    unittest.main()
