#!/usr/bin/python3
"""`mpyd eeprom read, write, verify` and `identify --bus`: parts behind /dev/i2c-1, which the bus simulator answers."""

import json
import os
import pathlib
import shutil
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402

SHIM = os.environ.get("MPYD_I2C_SHIM", str(REPO / "build/dev/tests/i2c_shim.so"))
THERMO = (REPO / "tests/vectors/hat-plus-thermo.eep").read_bytes()
RELAY = (REPO / "tests/vectors/hat-v1-relay.eep").read_bytes()
FAILED, USAGE, FORBIDDEN, NOT_FOUND, CONFLICT, VERIFICATION, TIMEOUT = 1, 2, 3, 4, 5, 6, 7
SIZES = {"24c02": 256, "24c04": 512, "24c16": 2048, "24c64": 8192, "24c512": 65536, "fm24c16": 2048, "fm24c64": 8192}


class DeviceTest(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.part = self.folder / "part.eep"
        self.image = self.folder / "image.eep"
        self.image.write_bytes(THERMO)

    def plug(self, *lines, content=None):
        (self.folder / "bus.txt").write_text("\n".join(lines) + "\n")
        if content is not None:
            self.part.write_bytes(content)

    def mpyd(self, command, *arguments, code=0, saying="", bus="/dev/i2c-1", env=None):
        environment = {"LD_PRELOAD": SHIM, "I2C_SHIM_1": str(self.folder / "bus.txt"),
                       "ASAN_OPTIONS": "verify_asan_link_order=0", **(env or {})}
        done = live.mpyd("eeprom", command, "--bus", bus, "--json", *arguments, check=False, env=environment)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(saying, done.stderr)
        return json.loads(done.stdout)

    def width(self, part):
        return "1" if SIZES[part] <= 2048 else "2"


class Parts(DeviceTest):
    def test_a_blank_part_is_written_read_back_verified_and_identified(self):
        for part, size in SIZES.items():
            with self.subTest(part=part):
                self.plug(f"part {part} 0x50 part.eep", content=b"\xff" * size)
                self.mpyd("write", self.image, code=VERIFICATION, saying="is blank")
                said = self.mpyd("write", "--width", self.width(part), "--size", size, self.image)
                self.assertGreater(said["pages_written"], 0)
                self.assertEqual(self.part.read_bytes(), THERMO + b"\xff" * (size - len(THERMO)))
                self.mpyd("verify", self.image)
                copy = self.folder / "copy.eep"
                said = self.mpyd("read", "--out", copy)
                self.assertEqual((said["size"], copy.read_bytes()), (size, self.part.read_bytes()))
                said = self.mpyd("identify")
                self.assertEqual((said["hardware_id"], said["size"], said["width"]),
                                 ("hat:Meadow%20Instruments:0042", size, int(self.width(part))))

    def test_only_pages_that_differ_are_written_and_what_is_behind_the_image_stays(self):
        behind = bytes(range(256)) * 32
        self.plug("part 24c64 0x50 part.eep", content=THERMO + behind[len(THERMO):])
        self.assertEqual(self.mpyd("write", self.image)["pages_written"], 0)
        changed = bytearray(THERMO)
        changed[40] ^= 1
        self.image.write_bytes(changed)
        self.assertEqual(self.mpyd("write", "--yes", self.image)["pages_written"], 1)
        self.assertEqual(self.part.read_bytes(), bytes(changed) + behind[len(THERMO):])

    def test_whose_board_is_overwritten_is_said_and_asked(self):
        content = RELAY + b"\xff" * (8192 - len(RELAY))
        self.plug("part 24c64 0x50 part.eep", content=content)
        self.mpyd("write", self.image, code=USAGE, saying="hat:")
        self.assertEqual(self.part.read_bytes(), content)
        self.mpyd("write", "--yes", self.image)
        self.mpyd("verify", self.image)

    def test_an_image_larger_than_the_part_is_refused(self):
        self.plug("part 24c02 0x50 part.eep", content=RELAY[:256].ljust(256, b"\xff"))
        self.image.write_bytes(THERMO + bytes(256))
        self.mpyd("write", "--yes", self.image, code=VERIFICATION, saying="has 256")

    def test_verify_says_where_the_first_difference_is(self):
        content = bytearray(THERMO.ljust(8192, b"\xff"))
        content[100] ^= 1
        self.plug("part 24c64 0x50 part.eep", content=bytes(content))
        self.mpyd("verify", self.image, code=VERIFICATION, saying="1 bytes other than the image, the first at 100")

    def test_behind_a_multiplexer_the_channel_is_selected_and_left_as_it_was(self):
        self.plug("mux 0x70", "part 24c64 0x50 part.eep channel=3", "part 24c64 0x50 other.eep channel=2",
                  content=THERMO.ljust(8192, b"\xff"))
        (self.folder / "other.eep").write_bytes(RELAY)
        self.mpyd("identify", code=NOT_FOUND, saying="nothing answers")
        said = {channel: self.mpyd("identify", "--mux", f"0x70:{channel}") for channel in (3, 2)}
        self.assertIn("channel 3", said[3]["bus"])
        self.assertNotEqual(said[3]["hardware_id"], said[2]["hardware_id"])
        self.mpyd("identify", "--mux", "0x70:1", code=NOT_FOUND)
        self.mpyd("identify", "--mux", "0x71:1", code=FAILED, saying="multiplexer at 0x71")
        self.mpyd("identify", "--mux", "0x70", code=USAGE, saying="0x70:3")


class Refusals(DeviceTest):
    def test_a_write_protected_part_says_so_and_is_as_it_was(self):
        content = RELAY.ljust(8192, b"\xff")
        for how in ("protected", "refusing"):
            self.plug(f"part 24c64 0x50 part.eep {how}", content=content)
            self.mpyd("write", "--yes", self.image, code=FAILED, saying="WP")
            self.assertEqual(self.part.read_bytes(), content)

    def test_a_sensor_is_never_written_to_and_a_memory_beside_it_is_found(self):
        sensor = "registers 0x50 19 00 55 66 77 88 99 aa 01 02 03 04 05 06 07 08"
        self.plug(sensor)
        log = self.folder / "log"
        self.mpyd("write", "--yes", self.image, code=VERIFICATION, env={"I2C_SHIM_LOG": str(log)})
        self.assertEqual({line.split()[2] for line in log.read_text().splitlines()}, {"0", "1"})
        self.plug(sensor.replace("0x50", "0x53"), "part 24c64 0x50 part.eep", content=THERMO.ljust(8192, b"\xff"))
        self.assertEqual(self.mpyd("identify")["address"], "0x50")

    def test_of_two_memories_one_is_to_be_named(self):
        self.plug("part 24c64 0x50 part.eep", "part 24c64 0x54 other.eep", content=THERMO.ljust(8192, b"\xff"))
        (self.folder / "other.eep").write_bytes(RELAY)
        self.mpyd("identify", code=CONFLICT, saying="--address 0x50")
        self.assertEqual(self.mpyd("identify", "--address", "0x54")["address"], "0x54")
        self.mpyd("identify", "--address", "0x57", code=NOT_FOUND, saying="these answer: 0x50")
        self.mpyd("identify", "--address", "0x48", code=USAGE, saying="0x50 to 0x57")

    def test_a_board_that_is_pulled_in_the_middle_says_so(self):
        for fault, code in (("gone=40000", FAILED), ("stuck=40000", FAILED), ("stretches=40000", TIMEOUT)):
            with self.subTest(fault=fault):
                self.plug(f"part 24c64 0x50 part.eep {fault}", content=THERMO.ljust(8192, b"\xff"))
                self.mpyd("read", "--out", self.folder / "copy.eep", code=code, saying="reading byte")
                self.assertFalse((self.folder / "copy.eep").exists())

    def test_no_bus_no_right_and_no_board_say_what_to_do(self):
        self.plug("# nothing")
        self.mpyd("identify", code=NOT_FOUND, saying="is the board in its place")
        self.mpyd("identify", bus="/dev/i2c-77", code=NOT_FOUND, saying="hint:")
        self.mpyd("identify", code=FORBIDDEN, saying="usermod -aG i2c", env={"I2C_SHIM_DENY": "1"})
        self.mpyd("identify", bus="/dev/null", code=VERIFICATION, saying="not an I2C bus")

    def test_options_of_a_bus_want_a_bus_and_files_exclude_it(self):
        for arguments in (("identify",), ("identify", "--width", "1", self.image), ("read", "--out", "x"),
                          ("identify", "--bus", "/dev/i2c-1", self.image)):
            done = live.mpyd("eeprom", *arguments, check=False)
            self.assertEqual(done.returncode, USAGE, done.stderr)
        self.plug("part 24c64 0x50 part.eep", content=b"\xff" * 8192)
        self.mpyd("write", "--width", "2", "--size", "1000", self.image, code=USAGE, saying="power of two")
        self.mpyd("write", "--width", "2", self.image, code=VERIFICATION, saying="--size")


if __name__ == "__main__":
    unittest.main(verbosity=2)
