"""Where attacks take place: a real daemon, real MicroPython motherboards, and a network in hostile hands between them."""

import json
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support/live"))
import live  # noqa: E402
from hostile_network import Network  # noqa: E402

CANARY = "canary: the driver's code runs"
STRANGER = "canary: the stranger's code runs"
FAST = dict(sync_interval_ms=300, retry_max_ms=300)


def driver_text(says, more=""):
    return f"print({says!r})\n{more}\ndef attach(board):\n    return board\ndef detach(x):\n    pass\n"


class Scene(unittest.TestCase):
    """One server with one published driver, `thermo` 1.0.0, that says CANARY when it runs."""

    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.network = Network(self.server.port)
        self.addCleanup(self.network.close)
        self.server.delegate()
        self.driver = self.make_driver("honest", CANARY)
        self.package = json.loads(self.server.publish(self.driver, more=("--json",)).stdout)["packages"][0]
        self.image = self.make_image()
        self.boards = 0

    def make_driver(self, folder, says, more=""):
        source = self.folder / folder
        source.mkdir()
        (source / "thermo.py").write_text(driver_text(says, more))
        return live.build_driver(source, self.folder / f"{folder}-built", "thermo")["any"]

    def make_image(self, *more, hardware_id=live.HARDWARE_ID):
        path = self.folder / f"board-{len(list(self.folder.iterdir()))}.eep"
        live.mpyd("eeprom", "build", "--hardware-id", hardware_id, "--out", path, *more)
        return path

    def pack(self, driver, key, version="9.9.9", release=999, more=("--public",), root=None):
        """A package as its publisher makes it, offline; returns the file."""
        out = self.folder / f"packed-{len(list(self.folder.iterdir()))}"
        out.mkdir()
        live.mpyd("pack", driver, "--hardware-id", live.HARDWARE_ID, "--name", "thermo", "--version", version,
                  "--release", release, "--key", key, "--root", root or self.server.root, "--out-dir", out, *more)
        return next(out.glob("*.mpkg"))

    def strangers_package(self):
        return self.pack(self.make_driver("stranger", STRANGER), self.server.new_publisher("stranger"))

    def motherboard(self, **options):
        self.boards += 1
        folder = self.folder / f"motherboard{self.boards}"
        folder.mkdir()
        identity = self.server.provision(f"motherboard {self.boards}", folder / "identity", port=self.network.port)
        board = live.Motherboard(folder, identity, **dict(FAST, **options)).start()
        self.addCleanup(board.stop)
        return board

    def said(self, board):
        """What drivers printed on this motherboard."""
        return "".join(board.errors)

    def assert_nothing_ran(self, board):
        self.assertEqual(board.count("loaded"), 0)
        self.assertNotIn("canary", self.said(board))

    def audit(self):
        return json.loads(self.server.admin("audit", "--json").stdout)["events"]
