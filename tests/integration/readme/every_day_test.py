"""Runs README.md's section "Every day" as it stands there, against a running server."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

BOARD = "hat:Acme:0001"


class EveryDay(unittest.TestCase):
    def test_the_commands_of_the_section_find_compare_fetch_and_yank(self):
        folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, folder)
        server = live.Server(folder).start()
        self.addCleanup(server.stop)
        server.delegate(BOARD, "relays")
        module = live.build_driver(live.REPO / "tests/drivers/thermo", folder / "built")["any"]
        for version in ("1.0.0", "1.1.0"):
            server.publish(module, hardware_id=BOARD, name="relays", version=version)
        text = (live.REPO / "README.md").read_text().split("\n## Every day\n", 1)[1].split("\n## ", 1)[0]
        (commands,) = re.findall(r"^```sh every-day\n(.*?)^```$", text, re.M | re.S)
        environment = dict(os.environ, PATH=f"{live.MPYD.parent}:{os.environ['PATH']}", MPYD_SERVER=server.url,
                           MPYD_TOKEN_FILE=str(server.token_file))
        done = subprocess.run(["bash", "-ec", commands], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1.0.0 -> 1.1.0", done.stdout)
        self.assertEqual([each.name for each in (folder / "packages").iterdir()], ["relays-1.1.0-6-any.mpkg"])
        self.assertIn(f"yanked {BOARD} 1.1.0", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
