#!/usr/bin/python3
"""Attacks by whoever holds a motherboard's memory card, its power, or the boards. Names start with the attack's id."""

import hashlib
import os
import random
import shutil
import time
import unittest

import scene
from scene import live

FULL = os.environ.get("MPYD_TEST_FULL") == "1"


class Planted(scene.Scene):
    """Somebody writes into the folder where the agent keeps packages and policy."""

    def loaded_board(self):
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)
        board.wait_event("synced", count=board.count("synced") + 1)
        board.stop()
        return board

    def test_A34_a_package_laid_into_the_cache_runs_only_if_its_publisher_is_trusted(self):
        board = self.loaded_board()
        self.server.kill()
        (honest,) = board.cache.glob("p-*")
        stranger = self.strangers_package().read_bytes()
        for name in (honest.name, honest.name[:16] + hashlib.sha256(stranger).hexdigest()):
            (board.cache / name).write_bytes(stranger)
        board.start()
        refused = board.wait_event("refused", slot=0)
        self.assertIn(refused["error"], ("bad_digest", "untrusted", "trailing"))
        self.assert_nothing_ran(board)
        self.server.start()
        board.wait_event("loaded", slot=0)
        self.assertNotIn(scene.STRANGER, self.said(board))

    def test_A34_policy_of_another_server_laid_into_the_cache_does_not_count(self):
        board = self.loaded_board()
        self.server.kill()
        # The attacker runs a server of his own for the same hardware ID, and takes what it taught a motherboard of his.
        (self.folder / "his").mkdir()
        his = live.Server(self.folder / "his").start()
        self.addCleanup(his.stop)
        his.delegate()
        his.publish(self.make_driver("his-driver", scene.STRANGER))
        theirs = live.Motherboard(self.folder / "his/motherboard", his.provision("his", self.folder / "his/identity"), **scene.FAST)
        theirs.start()
        theirs.plug(0, self.image)
        theirs.wait_event("loaded", slot=0)
        theirs.stop()
        for path in theirs.cache.iterdir():
            shutil.copy(path, board.cache / path.name)
        board.start()
        board.wait_event("refused", slot=0)
        self.assert_nothing_ran(board)
        self.server.start()
        board.wait_event("loaded", slot=0)
        self.assertNotIn(scene.STRANGER, self.said(board))

    def test_A40_a_wiped_cache_does_not_bring_an_old_release_back(self):
        old = self.make_image("--package", self.pack(self.driver, self.server.publisher, version="0.9.0", release=1))
        self.server.publish(self.make_driver("second", scene.CANARY + " 2"), version="2.0.0", more=("--release", "5"))
        self.server.admin("trust", "floor", "--hardware-id", live.HARDWARE_ID, "--release", 5, "--key",
                          self.server.keys / "targets.key", "--root", self.server.root, "--yes")
        board = self.loaded_board()
        shutil.rmtree(board.cache)
        self.server.kill()
        board.pull(0)
        board.plug(0, old)
        # Without a word of the operator: nothing. With it: nothing below the floor.
        board.start()
        self.assertEqual(board.wait_event("refused", slot=0)["error"], "untrusted")
        self.assert_nothing_ran(board)
        self.server.start()
        self.assertIn("2.0.0", board.wait_event("loaded", slot=0)["detail"])
        board.stop()
        self.server.kill()
        for path in board.cache.glob("p-*"):
            path.unlink()
        board.start()
        self.assertEqual(board.wait_event("refused", slot=0)["error"], "rollback")
        self.assert_nothing_ran(board)
        self.server.start()


class Torn(scene.Scene):
    """Power and boards go at any moment."""

    rounds = 150 if FULL else 15

    def test_A27_a_motherboard_that_loses_its_power_anywhere_comes_back_with_its_driver(self):
        # No driver is blamed for these resets: tests/micropython/quarantine_test.py is about those that should be.
        board = self.motherboard(trial_ms=1)
        chance = random.Random(27)
        board.plug(0, self.image)
        for number in range(self.rounds):
            with self.subTest(round=number):
                time.sleep(chance.uniform(0, 0.25))
                board.process.kill()
                board.process.wait()
                board.process.stdin.close()
                if number % 3 == 2:
                    for path in board.cache.glob("p-*"):
                        path.unlink()  # so that a fetch is torn as well
                board.start()
        board.wait_event("loaded", slot=0)
        self.assertIn(scene.CANARY, self.said(board))

    def test_A26_a_board_pulled_anywhere_leaves_its_neighbour_and_the_agent_well(self):
        board = self.motherboard()
        chance = random.Random(26)
        board.plug(1, self.image)
        board.wait_event("loaded", slot=1)
        for _ in range(self.rounds):
            board.plug(0, self.image)
            time.sleep(chance.uniform(0, 0.2))
            board.pull(0)
            time.sleep(chance.uniform(0, 0.3))
        self.assertEqual(board.ask("slots")["answer"][1]["state"], "running")
        # The last pull may have been too short for anyone to notice: what is plugged now is what counts.
        board.plug(0, self.image)
        live.wait_for("both boards", lambda: all(
            board.ask("slots")["answer"][slot]["state"] == "running" for slot in (0, 1)))

    def test_A25_an_eeprom_that_changes_between_two_looks_runs_nothing_of_the_second(self):
        # Policy is known and the server gone: what the board carries is all there is.
        good = self.make_image("--package", self.pack(self.driver, self.server.publisher, version="1.0.1", release=2))
        bad = self.make_image("--package", self.strangers_package())
        board = self.motherboard()
        board.plug(1, self.image)
        board.wait_event("loaded", slot=1)
        self.server.kill()
        board.wait_event("offline")
        chance = random.Random(25)
        for _ in range(self.rounds):
            board.plug(0, good)
            time.sleep(chance.uniform(0, 0.15))
            shutil.copy(bad, board.bus / "slot0/.50.eep.new")
            os.replace(board.bus / "slot0/.50.eep.new", board.bus / "slot0/50.eep")
            time.sleep(chance.uniform(0, 0.1))
            board.pull(0)
            time.sleep(0.3)
        self.assertNotIn(scene.STRANGER, self.said(board))
        self.assertEqual(board.ask("slots")["answer"][1]["state"], "running")
        self.server.start()


if __name__ == "__main__":
    unittest.main(verbosity=2)
