"""Runs README.md's section "Every day" as it stands there, against a running server."""

import unittest

import support
from support import live

BOARD = "hat:Acme:0001"


class EveryDay(support.Reader):
    def test_the_commands_of_the_section_find_compare_fetch_and_yank(self):
        self.start_server()
        self.server.delegate(BOARD, "relays")
        module = live.build_driver(live.REPO / "tests/drivers/thermo", self.folder / "built")["any"]
        for version in ("1.0.0", "1.1.0"):
            self.server.publish(module, hardware_id=BOARD, name="relays", version=version)
        said = self.paste(support.named_blocks(support.section("Every day"))["every-day"])
        self.assertIn("1.0.0 -> 1.1.0", said)
        self.assertEqual([each.name for each in (self.folder / "packages").iterdir()], ["relays-1.1.0-6-any.mpkg"])
        self.assertIn(f"yanked {BOARD} 1.1.0", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
