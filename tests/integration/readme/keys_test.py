"""Runs the commands of README.md's section "I lost, they stole: what now" as they stand there, against a real server."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

TITLE = "I lost, they stole: what now"
# Another place for the text, while it is written.
TEXT = pathlib.Path(os.environ.get("MPYD_KEYS_SECTION", live.REPO / "README.md"))
EPOCHS = {"server-key": (2, 1), "publisher-key": (1, 1), "targets-key": (2, 2), "root-key": (2, 1)}  # root version, epoch


def section():
    return ("\n" + TEXT.read_text()).split(f"\n## {TITLE}\n", 1)[1].split("\n## ", 1)[0]


class Keys(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.server.delegate()
        # The reader's mpyd, which answers the questions with yes.
        self.tools = self.folder / "bin"
        self.tools.mkdir()
        wrapper = self.tools / "mpyd"
        wrapper.write_text(f'#!/bin/sh\ncase "$1 $2" in\n"trust export"|keygen*) exec {live.MPYD} "$@";;\n'
                           f'*) exec {live.MPYD} "$@" --yes;;\nesac\n')
        wrapper.chmod(0o755)

    def test_every_block_of_the_section_does_what_it_says(self):
        blocks = dict(re.findall(r"^```sh (\S+)\n(.*?)^```$", section(), re.M | re.S))
        self.assertEqual(set(blocks), set(EPOCHS))
        for name in EPOCHS:
            with self.subTest(name):
                self.tearDown()
                self.doCleanups()
                self.setUp()
                self.run_block(blocks[name])
                shown = self.server.admin("trust", "show", "--root", self.server.root, "--json").stdout
                said = json.loads(shown)
                self.assertEqual((said["root_version"], said["epoch"]), EPOCHS[name])
                self.assertEqual(len(said["entries"]), 1)
                self.assertEqual(len(said["head"]["revoked_keys"]), int(name == "publisher-key"))

    def run_block(self, commands):
        environment = dict(os.environ, PATH=f"{self.tools}:{os.environ['PATH']}", KEYS=str(self.server.keys),
                           MPYD_SERVER=self.server.url, MPYD_TOKEN_FILE=str(self.server.token_file))
        done = subprocess.run(["bash", "-ec", commands], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
