"""Runs README.md's section "Boards people own" as it stands there, and looks at the boards it made."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402


class Boards(unittest.TestCase):
    def test_the_batch_of_the_section_is_built_labelled_and_identified(self):
        folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, folder)
        text = (live.REPO / "README.md").read_text().split("\n## Boards people own\n", 1)[1].split("\n## ", 1)[0]
        (commands,) = re.findall(r"^```sh boards\n(.*?)^```$", text, re.M | re.S)
        environment = dict(os.environ, PATH=f"{live.MPYD.parent}:{os.environ['PATH']}")
        done = subprocess.run(["bash", "-ec", commands], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        labels = [line.split("\t") for line in (folder / "labels.tsv").read_text().splitlines()]
        self.assertEqual(len(labels), 3)
        for path, hardware_id, _, serial in labels:
            self.assertEqual(hardware_id, "hat:Acme:0001")
            self.assertEqual((folder / path).stat().st_size, 8192)
            self.assertIn(serial, done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
