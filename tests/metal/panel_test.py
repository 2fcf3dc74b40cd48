#!/usr/bin/python3
"""A driver that reaches the motherboard's registers by address, on a Cortex-M3 under QEMU; the monitor of QEMU looks
at the same registers from outside."""

import json
import pathlib
import shutil
import socket
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402
import metal  # noqa: E402

PANEL = "hat:Meadow%20Instruments:0045"
LED = 0x40028000


class Registers:
    """The motherboard's memory, as QEMU's monitor reads it."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r")
        self._lines.readline()
        self._do("qmp_capabilities")

    def _do(self, command, **arguments):
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise AssertionError(answer["error"]["desc"])

    def read(self, address):
        text = self._do("human-monitor-command", **{"command-line": f"xp /1wx {address:#x}"})
        return int(text.split()[1], 16)

    def close(self):
        self._lines.close()
        self._socket.close()


class Panel(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.server.delegate(PANEL, "panel")
        self.drivers = metal.build_driver(REPO / "tests/drivers/panel", self.folder / "native", "armv7m")

    def publish(self, version, requires):
        self.server.publish(*self.drivers, hardware_id=PANEL, name="panel", version=version, more=("--requires", requires))

    def start(self):
        identity = metal.provision(self.server, "metal", self.folder / "identity")
        monitor = self.folder / "monitor"
        more = ["--qemu=-qmp", f"--qemu=unix:{monitor},server=on,wait=off", "--firmware", live.BUILD / "motherboard-mps2.elf"]
        self.board = metal.MetalMotherboard(self.folder / "board", identity, [metal.image(self.folder / "panel.eep", PANEL)], more).start()
        self.addCleanup(self.board.kill)
        self.board.wait_event("started")
        self.registers = Registers(monitor)
        self.addCleanup(self.registers.close)
        return self.board

    def test_a_driver_reaches_the_motherboards_registers_by_address(self):
        self.publish("1.0.0", "_mps2")
        board = self.start()
        loaded = board.wait_event("loaded", 0)
        self.assertIn("6.3-armv7m", loaded["detail"])
        self.assertEqual(self.registers.read(LED), 0)
        for led, on, state in ((1, 1, 2), (0, 1, 3), (1, 0, 1)):
            board.call(0, "set", led, on)
            self.assertEqual((board.call(0, "state"), self.registers.read(LED)), (state, state))
        self.assertEqual(board.call(0, "buttons"), 0)
        before = board.call(0, "ticks")
        live.wait_for("the counter to go on", lambda: board.call(0, "ticks") > before)
        with self.assertRaisesRegex(AssertionError, "the LEDs are 0 and 1"):
            board.call(0, "set", 2, 1)
        board.tell("pull", 0)
        board.wait_event("removed", 0)
        live.wait_for("detach to switch the LEDs off", lambda: self.registers.read(LED) == 0)

    def test_a_panel_for_another_motherboard_is_refused_before_its_code_runs(self):
        self.publish("1.0.0", "_another_board")
        refused = self.start().wait_event("refused", 0, error="missing_module")
        self.assertIn("_another_board", refused["detail"])
        self.assertEqual(self.board.find("loaded"), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
