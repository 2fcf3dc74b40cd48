#!/usr/bin/python3
"""A board that is plugged and pulled for ever costs a Cortex-M3 no memory."""

import os
import unittest

from metal_case import MetalCase

FULL = os.environ.get("MPYD_TEST_FULL") == "1"


class Cycles(MetalCase):
    def test_plugging_and_pulling_for_ever_takes_no_memory(self):
        self.publish_both()
        board = self.start(["--agent=probe_interval_ms=5"])
        self.expect_loaded()
        board.tell("cycle", 0, 10000 if FULL else 1000)
        said = board.wait_event("cycled", timeout_s=7000 if FULL else 1500)
        self.assertEqual(said["after_last"], said["after_tenth"])


if __name__ == "__main__":
    unittest.main()
