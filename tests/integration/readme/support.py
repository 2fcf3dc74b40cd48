"""What stands in README.md, and a reader who pastes it into a shell."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402


def section(title):
    """What stands between its heading and the next one."""
    return (live.REPO / "README.md").read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text, language):
    """Those of one language, in order; none of those that have a name, too."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def named_blocks(text):
    """Blocks of shell commands by the name that follows the language: ```sh backup."""
    return dict(re.findall(r"^```sh (\S+)\n(.*?)^```$", text, re.M | re.S))


class Reader(unittest.TestCase):
    """Somebody in an empty folder, and with the server that start_server() starts."""

    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = dict(os.environ, PATH=f"{live.MPYD.parent}:{live.BUILD}:{os.environ['PATH']}")

    def start_server(self):
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.environment.update(MPYD_SERVER=self.server.url, MPYD_TOKEN_FILE=str(self.server.token_file))

    def paste(self, commands):
        """What they print; they must not fail."""
        done = subprocess.run(["bash", "-ec", commands], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, commands + "\n" + done.stdout + done.stderr)
        return done.stdout
