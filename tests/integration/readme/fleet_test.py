"""Runs README.md's section "Your first fleet" as it stands there, with a real address and a real ID in their places."""

import json
import shutil
import unittest

import support
from support import live

HARDWARE_ID = "hat:Acme:0001"


class FirstFleet(support.Reader):
    def setUp(self):
        super().setUp()
        self.start_server()
        self.server.delegate(HARDWARE_ID, "relays")
        source = self.folder / "relays"
        source.mkdir()
        (first,) = support.blocks(support.section("Your first driver"), "c")
        (source / "relays.c").write_text(first)
        self.paste(f"{live.REPO}/deploy/driver build relays --arch x64")
        self.server.publish(source, hardware_id=HARDWARE_ID, name="relays")

    def test_every_line_of_the_section_does_what_it_says(self):
        enrol, carry = support.blocks(support.section("Your first fleet"), "sh")
        (self.folder / "bus/slot0").mkdir(parents=True)
        live.mpyd("eeprom", "build", "--hardware-id", HARDWARE_ID, "--out", self.folder / "bus/slot0/50.eep")
        provision, start, waiting, approve = enrol.splitlines()
        self.paste(provision.replace("drivers.example:8780", f"127.0.0.1:{self.server.port}"))
        self.assertIn("approv", self.paste(start))
        listed = self.paste(waiting)
        (device,) = json.loads(self.server.admin("device", "list", "--waiting", "--json").stdout)["devices"]
        self.assertIn(device["id"], listed)
        self.paste(approve.replace("ID", device["id"]))
        self.assertIn("loaded relays 1.0.0", self.paste(start))

        # The board that carries its driver loads where no server answers.
        for line in carry.splitlines():
            self.paste(line)
        self.paste(start)
        self.server.stop()
        for package in (self.folder / "cache-1").glob("[pka]-*"):
            package.unlink()
        shutil.copy(self.folder / "board.eep", self.folder / "bus/slot0/50.eep")
        self.assertIn("loaded relays 1.1.0", self.paste(start))


if __name__ == "__main__":
    unittest.main(verbosity=2)
