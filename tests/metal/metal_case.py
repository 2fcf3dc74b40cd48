"""A server, two kinds of boards and their drivers, and an emulated Cortex-M3 motherboard: what the tests here share."""

import pathlib
import shutil
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402
import metal  # noqa: E402

THERMO = "hat:Meadow%20Instruments:0042"
RELAY = "hat:Meadow%20Instruments:0043"
PANEL = "hat:Meadow%20Instruments:0045"


class MetalCase(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.board = None
        self.addCleanup(self.end_board)

    def end_board(self):
        if self.board and self.board.process:
            self.board.kill()

    def publish(self, name, hardware_id, version="1.0.0", archs="armv7m,any", more=()):
        drivers = metal.build_driver(REPO / "tests/drivers" / name, self.folder / "native", archs)
        self.server.delegate(hardware_id, name)
        self.server.publish(*drivers, hardware_id=hardware_id, name=name, version=version, more=more)

    def publish_both(self):
        self.publish("thermo", THERMO)
        self.publish("relay", RELAY)

    def start(self, more=(), port=None):
        thermo = metal.image(self.folder / "thermo.eep", THERMO)
        relay = metal.image(self.folder / "relay.eep", RELAY)
        return self.start_with([f"{thermo},tmp105@0x48", f"{relay},max7310@0x18"], ["--agent", "trial_ms=1000", *more], port)

    def start_with(self, slots, more=(), port=None):
        identity = self.folder / "identity"
        if not identity.exists():
            metal.provision(self.server, "metal", identity, port)
        self.board = metal.MetalMotherboard(self.folder / "board", identity, slots, more).start()
        return self.board

    def expect_loaded(self, since=0, timeout_s=30.0):
        for slot in (0, 1):
            self.board.wait_event("loaded", slot, since, timeout_s=timeout_s)

    def expect_works(self, board):
        live.wait_for("both boards to work", lambda: self.works(board), 120)

    def works(self, board):
        try:
            return board.call(0, "temperature") is not None and board.call(1, "state") is not None
        except AssertionError:
            return False
