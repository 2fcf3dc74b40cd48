#!/usr/bin/python3
"""The agent in MicroPython's own port for QEMU, on a RISC-V machine that has neither I2C nor network nor clock: a board
brings its native rv32imc driver along, which is verified, decrypted, loaded, called and unloaded."""

import json
import mmap
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402
import metal  # noqa: E402

FIRMWARE = live.BUILD / "motherboard-qemu-rv32.elf"
RELAY = "hat:Meadow%20Instruments:0043"
FLASH_BYTES = 256 * 1024
BLOCK = 4096
THERE = 8 * BLOCK
CABLE_BYTES = 16 * BLOCK


class Cable:
    """The far end of qemu_board.Cable: a file that both see, and a TCP connection to the server."""

    def __init__(self, path, port):
        path.write_bytes(bytes(CABLE_BYTES))
        self._file = open(path, "r+b")
        self._memory = mmap.mmap(self._file.fileno(), CABLE_BYTES)
        self._port = port
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        served = 0
        while not self._end.wait(0.005):
            connection, _, is_closed = struct.unpack_from("<III", self._memory, 0)
            if connection != served and not is_closed:
                served = connection
                self._serve(connection)

    def _serve(self, connection):
        passed = received = 0
        try:
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                server.settimeout(0.01)
                while not self._end.is_set():
                    now, sent, is_closed = struct.unpack_from("<III", self._memory, 0)
                    if now != connection or is_closed:
                        return
                    server.sendall(self._memory[BLOCK + passed : BLOCK + sent])
                    passed = sent
                    try:
                        data = server.recv(CABLE_BYTES - THERE - BLOCK - received)
                    except TimeoutError:
                        continue
                    if not data:
                        break
                    self._memory[THERE + BLOCK + received : THERE + BLOCK + received + len(data)] = data
                    received += len(data)
                    struct.pack_into("<III", self._memory, THERE, connection, received, 0)
        except OSError:
            pass
        struct.pack_into("<III", self._memory, THERE, connection, received, 1)

    def close(self):
        self._end.set()
        self._thread.join()
        self._memory.close()
        self._file.close()


class Firmware:
    """QEMU with the firmware; Python goes in through the raw REPL."""

    def __init__(self, folder):
        command = ["qemu-system-riscv32", "-machine", "virt", "-bios", "none", "-nographic", "-monitor", "none", "-serial", "stdio",
                   "-semihosting-config", "enable=on,target=native", "-kernel", FIRMWARE]
        self._process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._limit = threading.Timer(120, self._process.kill)
        self._limit.start()
        self._send(b"\r\x01")
        self._read_to(b"CTRL-B to exit\r\n>")

    def _send(self, data):
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def _read_to(self, end):
        data = b""
        while not data.endswith(end):
            byte = self._process.stdout.read(1)
            if not byte:
                raise AssertionError(f"QEMU ended: {data.decode(errors='replace')}")
            data += byte
        return data[: -len(end)]

    def run(self, code):
        """What it prints. Raises what it raised."""
        self._send(code.encode() + b"\x04")
        self._read_to(b"OK")
        printed, raised = self._read_to(b"\x04").decode(), self._read_to(b"\x04>").decode()
        if raised:
            raise AssertionError(raised)
        return printed.replace("\r\n", "\n")

    def value(self, expression):
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def poll_until(self, what, timeout_s=60):
        """Polls the agent until its events have `what`; returns the event's line."""
        deadline = time.monotonic() + timeout_s
        told = ""
        while time.monotonic() < deadline:
            told += self.run("poll(50)")
            for line in told.splitlines():
                if line.startswith(f"event {what} "):
                    return line
        raise AssertionError(f"no {what} in {told}")

    def end(self):
        self._limit.cancel()
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class QemuPort(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.server.delegate(RELAY, "relay")
        (self.folder / "flash").write_bytes(b"\xff" * FLASH_BYTES)
        shutil.copy(REPO / "tests/metal/qemu_board.py", self.folder / "board.py")
        self.package = self.pack()
        self.image = metal.image(self.folder / "relay.eep", RELAY, "--package", self.package)

    def pack(self):
        """The driver, encrypted and sealed to the fleet."""
        self.server.admin("trust", "fleet-key", "--out", self.folder / "fleet.pub")
        drivers = metal.build_driver(REPO / "tests/drivers/relay", self.folder / "native", "rv32imc")
        said = live.mpyd("pack", *drivers, "--hardware-id", RELAY, "--name", "relay", "--version", "1.0.0", "--release", 1, "--key",
                         self.server.publisher, "--root", self.server.root, "--seal-to", self.folder / "fleet.pub", "--out-dir",
                         self.folder, "--json")
        (package,) = json.loads(said.stdout)["packages"]
        path = pathlib.Path(package["file"])
        self.assertNotIn(b"the relays are 0 to 7", path.read_bytes())
        return path

    def start(self):
        """A motherboard that has seen its server once, and is on its own now."""
        self.server.admin("device", "provision", "--name", "rv32", "--out", self.folder / "identity", "--root", self.server.root,
                          "--with-policy", RELAY, "--device-server", f"127.0.0.1:{self.server.port}")
        cable = Cable(self.folder / "cable", self.server.port)
        self.addCleanup(cable.close)
        firmware = Firmware(self.folder)
        self.addCleanup(firmware.end)
        firmware.run('import _host; exec(_host.file("board.py"))')
        firmware.poll_until("synced")
        self.server.stop()
        return firmware

    def test_a_board_brings_its_native_driver_to_a_motherboard_without_i2c_network_or_clock(self):
        firmware = self.start()
        firmware.run('bus.plug("relay.eep")')
        self.assertIn("relay 1.0.0 (6.3-rv32imc)", firmware.poll_until("loaded"))
        firmware.run("relay = agent.slots[0].device; relay.set(3, 1); relay.set(0, 1)")
        self.assertEqual(firmware.value("[relay.state(), bus.registers[1], bus.registers[3]]"), [9, 9, 0])
        with self.assertRaisesRegex(AssertionError, "the relays are 0 to 7"):
            firmware.run("relay.set(8, 1)")
        firmware.run("bus.pull()")
        firmware.poll_until("removed")
        with self.assertRaisesRegex(AssertionError, "ENODEV"):
            firmware.run("relay.state()")
        firmware.run("del relay; import gc; gc.collect(); gc.collect()")
        self.assertEqual(firmware.value("mpyd.kept_modules()"), [0, 0])

    def test_a_board_whose_package_was_tampered_with_is_refused(self):
        package = self.package.read_bytes()
        tampered = bytearray(self.image.read_bytes())
        tampered[tampered.index(package[:64]) + len(package) // 2] ^= 1
        (self.folder / "tampered.eep").write_bytes(tampered)
        firmware = self.start()
        firmware.run('bus.plug("tampered.eep")')
        self.assertIn("bad_digest", firmware.poll_until("refused"))
        self.assertEqual(firmware.value("[agent.slots[0].device, bus.registers[3]]"), [None, 255])


if __name__ == "__main__":
    unittest.main(verbosity=2)
