#!/usr/bin/python3
"""What boards do to each other: power, swaps, twins, and drivers they brought along that are old."""

import json
import unittest

from support import HAT, BoardsTest, live


class Slots(BoardsTest):
    def setUp(self):
        super().setUp()
        self.made = self.driver("one")
        self.publish(self.made, HAT)

    def numbered(self, number, *more):
        return self.image(f"board-{number}", "--hardware-id", HAT, "--uuid", f"00000000-0000-4000-8000-{number:012}", *more)

    def test_a_board_that_asks_for_more_than_is_left_waits_until_another_is_pulled(self):
        board = self.motherboard(current_ma=1000)
        self.plug(board, 0, self.numbered(1, "--current", 600))
        board.wait_event("loaded", slot=0)
        self.plug(board, 1, self.numbered(2, "--current", 600))
        refused = board.wait_event("refused", slot=1)
        self.assertEqual(refused["error"], "power")
        for number in ("600", "1000"):
            self.assertIn(number, refused["detail"])
        self.plug(board, 2, self.numbered(3, "--current", 400))
        board.wait_event("loaded", slot=2)
        board.pull(0)
        board.wait_event("loaded", slot=1)

    def test_two_boards_alike_are_two_instances(self):
        board = self.motherboard()
        for slot in (0, 1):
            self.plug(board, slot, self.numbered(1))
            board.wait_event("loaded", slot=slot)
        self.assertTrue(board.ask("evaluate", expression="agent.slots[0].device is not agent.slots[1].device")["answer"])
        board.pull(0)
        board.wait_event("removed", slot=0)
        self.assertEqual(board.call(1, "says"), "one")

    def test_a_board_swapped_between_two_polls_is_noticed(self):
        board = self.motherboard()
        self.plug(board, 0, self.numbered(1))
        board.wait_event("loaded", slot=0)
        self.plug(board, 0, self.numbered(2))  # in one step: at no moment there is none
        board.wait_event("removed", slot=0)
        board.wait_event("loaded", slot=0, count=2)
        self.assertTrue(board.call(0, "identity")[2].endswith("02"))

    def test_an_old_driver_on_the_board_never_blocks_the_one_that_the_server_chose(self):
        self.server.admin("trust", "fleet-key", "--out", self.folder / "fleet.pub")
        said = live.mpyd("pack", self.made, "--hardware-id", HAT, "--name", "thermo", "--version", "0.9.0", "--release", 1, "--key",
                         self.server.publisher, "--root", self.server.root, "--seal-to", self.folder / "fleet.pub", "--out-dir",
                         self.folder, "--json")
        package = json.loads(said.stdout)["packages"][0]
        carrier = self.numbered(1, "--package", package["file"], "--size", 8192)
        self.publish(self.driver("two"), HAT, version="2.0.0", more=("--release", "5"))
        board = self.motherboard()
        self.plug(board, 0, carrier)
        board.wait_event("loaded", slot=0)
        live.wait_for("the newer release", lambda: board.call(0, "says") == "two")
        # Not even when policy forbids what the board brings.
        self.trust("revoke", "--hardware-id", HAT, "--digest", package["digest"])
        self.plug(board, 1, carrier)
        board.wait_event("loaded", slot=1)
        self.assertEqual(board.call(1, "says"), "two")

    def test_64_slots_behind_8_multiplexers_each_load_their_board(self):
        board = self.motherboard(muxes=8)
        content = self.numbered(1).read_bytes()
        for slot in range(64):
            place = board.bus / f"{0x70 + slot // 8:02x}" / f"slot{slot % 8}"
            place.mkdir(parents=True)
            (place / ".new").write_bytes(content)
            (place / ".new").rename(place / "50.eep")
        for slot in range(64):
            board.wait_event("loaded", slot=slot, timeout_s=60)
        self.assertEqual([board.call(slot, "says") for slot in (0, 31, 63)], ["one"] * 3)
        # One is pulled and plugged again while 63 run.
        place.rename(board.bus / "elsewhere")
        board.wait_event("removed", slot=63)
        (board.bus / "elsewhere").rename(place)
        board.wait_event("loaded", slot=63, count=2)
        self.assertEqual(sum(board.count("removed", slot=slot) for slot in range(63)), 0)

    def test_nothing_is_loaded_for_a_board_that_the_operator_refuses_until_that_is_lifted(self):
        board = self.motherboard()
        self.plug(board, 0, self.numbered(1))
        board.wait_event("loaded", slot=0)
        self.trust("refuse", "--hardware-id", HAT)
        refused = board.wait_event("refused", slot=0)
        self.assertEqual(refused["error"], "policy")
        self.assertIn("the operator refuses this board", refused["detail"])
        self.trust("refuse", "--hardware-id", HAT, "--lift")
        board.wait_event("loaded", slot=0, count=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
