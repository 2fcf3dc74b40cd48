#!/usr/bin/python3
"""Runs README.md's section "On a microcontroller" as it stands there, against a server on a port of its own."""

import os
import re
import subprocess
import unittest

from metal_case import MetalCase, live


class Readme(MetalCase):
    def test_every_line_of_the_section_does_what_it_says(self):
        text = (live.REPO / "README.md").read_text()
        section = text.split("\n## On a microcontroller\n", 1)[1].split("\n## ", 1)[0]
        (commands,) = re.findall(r"^```sh metal\n(.*?)^```$", section, re.M | re.S)
        (promised,) = re.findall(r"^```text\n(.*?)^```$", section, re.M | re.S)
        environment = dict(os.environ, MPYD=str(live.REPO), MPYD_SERVER=self.server.url,
                           MPYD_TOKEN_FILE=str(self.server.token_file),
                           PATH=f"{live.MPYD.parent}:{live.BUILD}:{os.environ['PATH']}")
        commands = commands.replace("10.0.2.2:8780", f"10.0.2.2:{self.server.port}")
        done = subprocess.run(["bash", "-ec", commands], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for line in promised.splitlines():
            self.assertRegex(done.stdout, re.sub(r"\d+ ms", r"\\d+ ms", re.escape(line).replace(r"\ ", " ")))


if __name__ == "__main__":
    unittest.main()
