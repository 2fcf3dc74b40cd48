#!/usr/bin/python3
"""Attacks by whoever copies boards: one serial number on two motherboards. Names start with the attack's id."""

import json
import time
import unittest

import scene
from scene import live

UUID = "2f0c6a1e-5b7d-4c3a-9e21-7a5f1b8c4d10"
SERIAL = UUID.replace("-", "")


class Clones(scene.Scene):
    def setUp(self):
        super().setUp()
        self.numbered = self.make_image("--uuid", UUID)

    def trouble(self):
        """Name -> trouble of the devices that have any."""
        devices = json.loads(self.server.admin("device", "list", "--json").stdout)["devices"]
        return {each["name"]: each["trouble"] for each in devices if each["trouble"]}

    def alarms(self):
        return [row for row in self.audit() if row["action"] == "board-cloned"]

    def plug_and_report(self, board):
        board.plug(0, self.numbered)
        board.wait_event("loaded", slot=0, count=board.count("loaded", slot=0) + 1)
        self.wait_syncs(board, 2)

    def wait_syncs(self, board, count):
        board.wait_event("synced", count=board.count("synced") + count)

    def settle(self, *boards):
        """Long enough for the server to see both, twice, in different seconds."""
        time.sleep(2.5)
        for board in boards:
            self.wait_syncs(board, 2)

    def test_A24_a_copied_eeprom_on_two_motherboards_is_shown_until_one_is_pulled(self):
        first, second = self.motherboard(), self.motherboard()
        self.plug_and_report(first)
        self.plug_and_report(second)
        trouble = live.wait_for("the alarm", lambda: (t := self.trouble()) if len(self.trouble()) == 2 else None)
        self.assertEqual(trouble, {"motherboard 1": "slot 0 cloned", "motherboard 2": "slot 0 cloned"})
        self.settle(first, second)
        (alarm,) = self.alarms()
        self.assertEqual(alarm["subject"], live.HARDWARE_ID)
        self.assertIn(SERIAL, json.dumps(alarm))
        for command in (("device", "show", "motherboard 1"),
                        ("explain", "--device", "motherboard 1", "--hardware-id", live.HARDWARE_ID)):
            self.assertRegex(self.server.admin(*command).stdout, r"slot 0: a board with the same serial number .* one is a copy")
        second.pull(0)
        second.wait_event("removed", slot=0)
        live.wait_for("the end of the alarm", lambda: not self.trouble())
        self.assertNotIn("one is a copy", self.server.admin("device", "show", "motherboard 1").stdout)

    def test_A24_two_boards_of_one_serial_on_one_motherboard_are_shown(self):
        board = self.motherboard()
        self.plug_and_report(board)
        board.plug(1, self.numbered)
        board.wait_event("loaded", slot=1)
        live.wait_for("the alarm", lambda: self.trouble() == {"motherboard 1": "slot 0 cloned, slot 1 cloned"})

    def test_A24_a_board_that_is_moved_raises_nothing(self):
        first, second = self.motherboard(), self.motherboard()
        self.plug_and_report(first)
        self.settle(first, second)
        first.stop()  # it goes off with the board in it, and never tells that it was pulled
        self.plug_and_report(second)
        self.settle(second)
        first.pull(0)
        second.pull(0)
        first.start()
        self.plug_and_report(first)  # and back
        self.settle(first, second)
        self.assertEqual(self.trouble(), {})
        self.assertEqual(self.alarms(), [])

    def test_A24_boards_without_a_serial_raise_nothing(self):
        first, second = self.motherboard(), self.motherboard()
        for board in (first, second):
            board.plug(0, self.image)
            board.wait_event("loaded", slot=0)
        self.settle(first, second)
        self.assertEqual(self.trouble(), {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
