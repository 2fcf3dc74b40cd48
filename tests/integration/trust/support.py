"""An operator with keys, a server and motherboards; and a thief who gets hold of some of it."""

import json
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

HARDWARE_ID = live.HARDWARE_ID
FAST = dict(sync_interval_ms=300, retry_max_ms=300)
VERIFICATION, NETWORK = 6, 7


class Scene(unittest.TestCase):
    init = ()  # more arguments of mpyd init

    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder, init=self.init).start()
        self.addCleanup(self.server.stop)
        self.keys = self.server.keys
        self.wire = live.Wire(self.server.port)  # the devices' way to whoever is the server
        self.addCleanup(self.wire.close)
        self.boards = 0
        self.image = self.folder / "board.eep"
        live.mpyd("eeprom", "build", "--hardware-id", HARDWARE_ID, "--out", self.image)

    # --- the operator ---

    def trust(self, *arguments, root=None, check=True):
        """mpyd trust ... on line, with --yes; returns the completed process."""
        return self.server.admin("trust", *arguments, "--root", root or self.server.root, "--yes", check=check)

    def shown(self):
        return json.loads(self.server.admin("trust", "show", "--root", self.server.root, "--json").stdout)

    def keygen(self, role, name):
        key = self.keys / f"{name}.key"
        live.mpyd("keygen", "--role", role, "--out", key)
        return key

    def driver(self, says):
        """A driver that prints what it is when it is loaded."""
        source = self.folder / f"source-{len(list(self.folder.iterdir()))}"
        source.mkdir()
        (source / "thermo.py").write_text(f"print({says!r})\ndef attach(board):\n    return board\n"
                                          "def detach(x):\n    pass\n")
        return live.build_driver(source, source / "built", "thermo")["any"]

    def publish(self, says, version, **more):
        return json.loads(self.server.publish(self.driver(says), version=version, more=("--json",), **more).stdout)

    # --- motherboards ---

    def motherboard(self, **options):
        self.boards += 1
        folder = self.folder / f"motherboard{self.boards}"
        folder.mkdir()
        identity = self.server.provision(f"motherboard {self.boards}", folder / "identity", port=self.wire.port)
        board = live.Motherboard(folder, identity, **dict(FAST, **options))
        self.addCleanup(board.stop)
        return board.start()

    def said(self, board):
        """What drivers printed on this motherboard."""
        return "".join(board.errors)

    def wait_synced(self, board, more=2):
        """Until that many further exchanges went well."""
        board.wait_event("synced", count=board.count("synced") + more)
