#!/usr/bin/python3
"""A motherboard writes the driver it fetched to the board, which brings it along to where there is no network."""

import unittest

from support import FAST, HAT, BoardsTest, live

EEPROM_BYTES = 8192


class Store(BoardsTest):
    def setUp(self):
        super().setUp()
        self.digest = self.publish(self.driver("stored"), HAT)
        self.blank = self.image("reserved", "--hardware-id", HAT, "--size", EEPROM_BYTES, "--reserve", 4096)

    def store(self, board, slot=0):
        done = board.count("stored", slot) + 1
        answer = board.ask("evaluate", expression=f"agent.store({slot})")
        self.assertNotIn("exception", answer)
        return board.wait_event("stored", slot=slot, count=done)

    def loaded(self, name="bench"):
        board = self.motherboard(name)
        self.plug(board, 0, self.blank)
        board.wait_event("loaded", slot=0)
        return board

    def another_motherboard(self, name, hardware_id=HAT):
        """It knows the policy and the fleet's key, and never had this driver."""
        identity = self.folder / f"{name}-identity"
        self.server.admin("device", "provision", "--name", name, "--out", identity, "--root", self.server.root, "--with-policy",
                          hardware_id, "--device-server", f"127.0.0.1:{self.server.port}")
        board = live.Motherboard(self.folder / name, identity, **FAST).start()
        self.addCleanup(board.stop)
        board.wait_event("synced")
        return board

    def test_a_stored_driver_loads_without_a_network_on_another_motherboard_of_the_fleet(self):
        board = self.loaded()
        self.assertIsNone(self.store(board)["error"])
        (given,) = self.audit("key-block")
        self.assertEqual((given["subject"], given["detail"]["digest"]), (HAT, self.digest))
        written = (board.bus / "slot0/50.eep").read_bytes()
        self.assertNotEqual(written, self.blank.read_bytes())
        other = self.another_motherboard("other")
        self.server.stop()
        board.pull(0)
        self.plug(other, 0, written)
        other.wait_event("loaded", slot=0)
        self.assertEqual(other.call(0, "says"), "stored")
        self.assertFalse(list(other.cache.glob("p-*")))
        self.server.start()

    def test_a_stored_driver_loads_after_the_cache_was_lost(self):
        board = self.loaded()
        self.store(board)
        board.stop()
        self.server.stop()
        for package in board.cache.glob("p-*"):
            package.unlink()
        board.start()
        board.wait_event("loaded", slot=0)
        self.assertEqual(board.call(0, "says"), "stored")
        self.server.start()

    def test_policy_that_allows_no_packages_on_boards_is_told(self):
        board = self.loaded()
        self.server.admin("trust", "delegate", "--hardware-id", HAT, "--name", "thermo", "--publisher", f"{self.server.publisher}.pub",
                          "--no-eeprom", "--key", self.server.keys / "targets.key", "--root", self.server.root, "--yes")
        board.wait_event("synced", count=board.count("synced") + 2)
        before = (board.bus / "slot0/50.eep").read_bytes()
        self.assertIn("policy", str(self.store(board)))
        self.assertEqual((board.bus / "slot0/50.eep").read_bytes(), before)
        self.assertEqual(self.audit("key-block"), [])

    def test_a_board_without_a_store_area_is_refused_at_once(self):
        self.blank = self.image("full", "--hardware-id", HAT, "--size", EEPROM_BYTES)
        board = self.loaded()
        self.assertIn("not_found", str(board.ask("evaluate", expression="agent.store(0)")))

    def test_a_write_protected_board_keeps_what_it_has(self):
        board = self.loaded()
        path = board.bus / "slot0/50.eep"
        before = path.read_bytes()
        path.chmod(0o444)
        self.assertEqual(self.store(board)["error"], "write_protected")
        self.assertEqual(path.read_bytes(), before)


if __name__ == "__main__":
    unittest.main(verbosity=2)
