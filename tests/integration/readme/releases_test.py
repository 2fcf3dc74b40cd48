"""Runs README.md's section "A release's life, and who publishes" as it stands there, against a running server."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

BYTECODE = bytes.fromhex("4d06001f040008642e7079000f0c617474616368000a626f617264004c00020132001602516301380906020320b063")
HARDWARE_ID = "hat:Acme:0001"


class Releases(unittest.TestCase):
    def test_the_commands_of_the_section_do_what_they_say(self):
        folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, folder)
        server = live.Server(folder).start()
        self.addCleanup(server.stop)
        server.delegate(HARDWARE_ID, "thermo")
        driver = folder / "thermo.mpy"
        driver.write_bytes(BYTECODE)
        for version in ("1.0.0", "1.1.0"):
            server.publish(driver, hardware_id=HARDWARE_ID, version=version)
        server.provision("bench", folder / "identity")
        text = (live.REPO / "README.md").read_text().split("\n## A release's life, and who publishes\n", 1)[1].split("\n## ", 1)[0]
        blocks = dict(re.findall(r"^```sh (\S+)\n(.*?)^```$", text, re.M | re.S))
        self.assertEqual(set(blocks), {"publisher", "release"})
        environment = dict(os.environ, PATH=f"{live.MPYD.parent}:{os.environ['PATH']}", MPYD_SERVER=server.url,
                           MPYD_TOKEN_FILE=str(server.token_file))
        said = {}
        for name, commands in blocks.items():
            done = subprocess.run(["bash", "-ec", commands], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, name + done.stdout + done.stderr)
            said[name] = done.stdout
        self.assertEqual((folder / "acme.token").stat().st_mode & 0o777, 0o600)
        self.assertRegex(said["publisher"], r"acme-ci +publish +hat:Acme:\*")
        for sentence in ("to which this motherboard is pinned", "this release is deprecated: reads too low; use 1.1.0",
                         "packages that are yanked are avoided", "the motherboard reports no such board now"):
            self.assertIn(sentence, said["release"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
