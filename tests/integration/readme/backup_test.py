"""Runs README.md's section "Backups, and a log that nobody edits" as it stands there, against a running server."""

import unittest

import support


class Backups(support.Reader):
    def test_the_commands_of_the_section_back_up_restore_and_verify(self):
        self.start_server()
        secret = self.folder / "passphrase"
        secret.write_text("correct horse\n")
        secret.chmod(0o600)
        blocks = support.named_blocks(support.section("Backups, and a log that nobody edits"))
        self.assertEqual(set(blocks), {"backup", "audit"})
        self.paste(blocks["backup"])
        self.assertIn("intact: ", self.paste(blocks["audit"]))
        self.assertTrue((self.folder / "restored/mpyd.db").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
