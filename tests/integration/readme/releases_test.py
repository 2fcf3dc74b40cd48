"""Runs README.md's section "A release's life, and who publishes" as it stands there, against a running server."""

import unittest

import support
from support import live

BOARD = "hat:Acme:0001"


class Releases(support.Reader):
    def test_the_commands_of_the_section_do_what_they_say(self):
        self.start_server()
        self.server.delegate(BOARD, "thermo")
        driver = live.build_driver(live.REPO / "tests/drivers/thermo", self.folder / "built")["any"]
        for version in ("1.0.0", "1.1.0"):
            self.server.publish(driver, hardware_id=BOARD, version=version)
        self.server.provision("bench", self.folder / "identity")
        blocks = support.named_blocks(support.section("A release's life, and who publishes"))
        self.assertEqual(set(blocks), {"publisher", "release"})
        said = {name: self.paste(commands) for name, commands in blocks.items()}
        self.assertEqual((self.folder / "acme.token").stat().st_mode & 0o777, 0o600)
        self.assertRegex(said["publisher"], r"acme-ci +publish +hat:Acme:\*")
        for sentence in ("to which this motherboard is pinned", "this release is deprecated: reads too low; use 1.1.0",
                         "packages that are yanked are avoided", "the motherboard reports no such board now"):
            self.assertIn(sentence, said["release"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
