"""Runs README.md's section "Your first fleet" as it stands there, with a real address and a real ID in their places."""

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

HARDWARE_ID = "hat:Acme:0001"


class FirstFleet(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.server.delegate(HARDWARE_ID, "relays")
        source = self.folder / "relays"
        source.mkdir()
        first = re.search(r"^```c\n(// relays/relays.c\n.*?)^```$", (live.REPO / "README.md").read_text(), re.M | re.S)
        (source / "relays.c").write_text(first[1])
        self.run_line(f"{live.REPO}/deploy/driver build relays --arch x64")
        self.server.publish(source, hardware_id=HARDWARE_ID, name="relays")

    def run_line(self, line):
        environment = dict(os.environ, MPYD_SERVER=self.server.url, MPYD_TOKEN_FILE=str(self.server.token_file),
                           PATH=f"{live.MPYD.parent}:{live.BUILD}:{os.environ['PATH']}")
        done = subprocess.run(["bash", "-ec", line], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, line + "\n" + done.stdout + done.stderr)
        return done.stdout

    def test_every_line_of_the_section_does_what_it_says(self):
        text = (live.REPO / "README.md").read_text().split("\n## Your first fleet\n", 1)[1].split("\n## ", 1)[0]
        enrol, carry = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
        (self.folder / "bus/slot0").mkdir(parents=True)
        live.mpyd("eeprom", "build", "--hardware-id", HARDWARE_ID, "--out", self.folder / "bus/slot0/50.eep")
        provision, start, waiting, approve = enrol.splitlines()
        self.run_line(provision.replace("drivers.example:8780", f"127.0.0.1:{self.server.port}"))
        self.assertIn("approv", self.run_line(start))
        listed = self.run_line(waiting)
        (device,) = json.loads(self.server.admin("device", "list", "--waiting", "--json").stdout)["devices"]
        self.assertIn(device["id"], listed)
        self.run_line(approve.replace("ID", device["id"]))
        self.assertIn("loaded relays 1.0.0", self.run_line(start))

        # The board that carries its driver loads where no server answers.
        for line in carry.splitlines():
            self.run_line(line)
        self.run_line(start)
        self.server.stop()
        for package in (self.folder / "cache-1").glob("[pka]-*"):
            package.unlink()
        shutil.copy(self.folder / "board.eep", self.folder / "bus/slot0/50.eep")
        self.assertIn("loaded relays 1.1.0", self.run_line(start))


if __name__ == "__main__":
    unittest.main(verbosity=2)
