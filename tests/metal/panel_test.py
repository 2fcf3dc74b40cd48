#!/usr/bin/python3
"""A driver that reaches the motherboard's registers by address, on a Cortex-M3 under QEMU; the same registers are
looked at from outside."""

import unittest

from metal_case import PANEL, MetalCase, live, metal

LED = 0x40028000


class Panel(MetalCase):
    def publish_panel(self, requires):
        self.publish("panel", PANEL, archs="armv7m", more=("--requires", requires))

    def start_panel(self):
        return self.start_with([metal.image(self.folder / "panel.eep", PANEL)])

    def test_a_driver_reaches_the_motherboards_registers_by_address(self):
        self.publish_panel("_mps2")
        board = self.start_panel()
        loaded = board.wait_event("loaded", 0)
        self.assertIn("6.3-armv7m", loaded["detail"])
        self.assertEqual(board.peek(LED), 0)
        for led, on, state in ((1, 1, 2), (0, 1, 3), (1, 0, 1)):
            board.call(0, "set", led, on)
            self.assertEqual((board.call(0, "state"), board.peek(LED)), (state, state))
        self.assertEqual(board.call(0, "buttons"), 0)
        before = board.call(0, "ticks")
        live.wait_for("the counter to go on", lambda: board.call(0, "ticks") > before)
        with self.assertRaisesRegex(AssertionError, "the LEDs are 0 and 1"):
            board.call(0, "set", 2, 1)
        board.tell("pull", 0)
        board.wait_event("removed", 0)
        live.wait_for("detach to switch the LEDs off", lambda: board.peek(LED) == 0)

    def test_a_panel_for_another_motherboard_is_refused_before_its_code_runs(self):
        self.publish_panel("_another_board")
        refused = self.start_panel().wait_event("refused", 0, error="missing_module")
        self.assertIn("_another_board", refused["detail"])
        self.assertEqual(self.board.find("loaded"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
