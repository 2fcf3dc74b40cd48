"""Runs the commands of README.md's section "I lost, they stole: what now" as they stand there, against a real server."""

import json
import os
import unittest

import support
from support import live

TITLE = "I lost, they stole: what now"
EPOCHS = {"server-key": (2, 1), "publisher-key": (1, 1), "targets-key": (2, 2), "root-key": (2, 1)}  # root version, epoch


class Keys(support.Reader):
    def setUp(self):
        super().setUp()
        self.start_server()
        self.server.delegate()
        # The reader's mpyd, which answers the questions with yes.
        tools = self.folder / "bin"
        tools.mkdir()
        wrapper = tools / "mpyd"
        wrapper.write_text(f'#!/bin/sh\ncase "$1 $2" in\n"trust export"|keygen*) exec {live.MPYD} "$@";;\n'
                           f'*) exec {live.MPYD} "$@" --yes;;\nesac\n')
        wrapper.chmod(0o755)
        self.environment.update(PATH=f"{tools}:{os.environ['PATH']}", KEYS=str(self.server.keys))

    def test_every_block_of_the_section_does_what_it_says(self):
        blocks = support.named_blocks(support.section(TITLE))
        self.assertEqual(set(blocks), set(EPOCHS))
        for name in EPOCHS:
            with self.subTest(name):
                self.tearDown()
                self.doCleanups()
                self.setUp()
                self.paste(blocks[name])
                shown = self.server.admin("trust", "show", "--root", self.server.root, "--json").stdout
                said = json.loads(shown)
                self.assertEqual((said["root_version"], said["epoch"]), EPOCHS[name])
                self.assertEqual(len(said["entries"]), 1)
                self.assertEqual(len(said["head"]["revoked_keys"]), int(name == "publisher-key"))


if __name__ == "__main__":
    unittest.main()
