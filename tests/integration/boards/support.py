"""One server, one driver for any hardware ID, and motherboards whose boards are files that a test makes."""

import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

HAT = live.HARDWARE_ID
FAST = dict(sync_interval_ms=300, retry_max_ms=300)
DRIVER = """
class Device:
    def __init__(self, board):
        self.board = board
    def says(self):
        return "{says}"
    def identity(self):
        return [self.board.hardware_id, self.board.revision, bytes(self.board.serial or b"").hex()]
def attach(board):
    return Device(board)
def detach(device):
    pass
"""


class BoardsTest(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)

    def driver(self, says):
        source = self.folder / f"source-{says}"
        source.mkdir()
        (source / "thermo.py").write_text(DRIVER.replace("{says}", says))
        return live.build_driver(source, self.folder / f"built-{says}", "thermo")["any"]

    def publish(self, driver, *hardware_ids, version="1.0.0", more=()):
        """Returns the digest of the last one's package."""
        for hardware_id in hardware_ids:
            self.server.delegate(hardware_id)
            said = self.server.publish(driver, hardware_id=hardware_id, version=version, more=("--json", *more))
        return json.loads(said.stdout)["packages"][0]["digest"]

    def trust(self, command, *more):
        self.server.admin("trust", command, *more, "--key", self.server.keys / "targets.key", "--root", self.server.root, "--yes")

    def image(self, name, *arguments):
        path = self.folder / f"{name}.eep"
        live.mpyd("eeprom", "build", "--out", path, *arguments)
        return path

    def motherboard(self, name="bench", **options):
        (self.folder / name).mkdir()
        identity = self.server.provision(name, self.folder / name / "identity")
        board = live.Motherboard(self.folder / name, identity, **dict(FAST, **options)).start()
        self.addCleanup(board.stop)
        return board

    def plug(self, board, slot, content, name="50.eep"):
        """Adds a file to the slot's folder in one step; one of that name is replaced."""
        place = board.bus / f"slot{slot}"
        place.mkdir(exist_ok=True)
        (place / f".{name}.new").write_bytes(content if isinstance(content, bytes) else pathlib.Path(content).read_bytes())
        os.replace(place / f".{name}.new", place / name)

    def audit(self, action):
        events = json.loads(self.server.admin("audit", "--json").stdout)["events"]
        return [event for event in events if event["action"] == action]
