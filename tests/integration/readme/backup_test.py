"""Runs README.md's section "Backups, and a log that nobody edits" as it stands there, against a running server."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402


class Backups(unittest.TestCase):
    def test_the_commands_of_the_section_back_up_restore_and_verify(self):
        folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, folder)
        server = live.Server(folder).start()
        self.addCleanup(server.stop)
        secret = folder / "passphrase"
        secret.write_text("correct horse\n")
        secret.chmod(0o600)
        text = (live.REPO / "README.md").read_text().split("\n## Backups, and a log that nobody edits\n", 1)[1].split("\n## ", 1)[0]
        blocks = dict(re.findall(r"^```sh (\S+)\n(.*?)^```$", text, re.M | re.S))
        self.assertEqual(set(blocks), {"backup", "audit"})
        environment = dict(os.environ, PATH=f"{live.MPYD.parent}:{os.environ['PATH']}", MPYD_SERVER=server.url,
                           MPYD_TOKEN_FILE=str(server.token_file))
        for name, commands in blocks.items():
            done = subprocess.run(["bash", "-ec", commands], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, name + done.stdout + done.stderr)
        self.assertIn("intact: ", done.stdout)
        self.assertTrue((folder / "restored/mpyd.db").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
