#!/usr/bin/python3
"""Boards of every layout, in EEPROMs of every kind: each is identified on real MicroPython and loads its driver."""

import pathlib
import unittest

from support import BoardsTest, live

VECTORS = live.REPO / "tests/vectors"
UUID = "2f0c6a1e-5b7d-4c3a-9e21-7a5f1b8c4d10"


def padded(text, size):
    return text.encode().ljust(size, b"\0")


def cape():
    """The EEPROM of a BeagleBone cape, from the table of its System Reference Manual."""
    numbers = (74 * 2 * b"\0") + (100).to_bytes(2, "big") + (50).to_bytes(2, "big") + 4 * b"\0"
    return (bytes.fromhex("aa5533ee") + b"A1" + padded("Thermo Cape", 32) + b"00A2" + padded("Meadow", 16) + padded("BB-THERMO", 16)
            + (46).to_bytes(2, "big") + b"4926MEAD0007" + numbers)


def checksummed(area):
    return area + bytes([-sum(area) & 0xFF])


def fru():
    """An IPMI FRU storage with nothing but a board area, from the Platform Management FRU Information Storage Definition."""
    def field(text):
        return bytes([0xC0 | len(text)]) + text.encode()

    fields = field("Meadow") + field("Thermo") + field("SN-0042") + field("TH-1") + b"\xc0\xc1"
    body = bytes([1, 0, 25, 0, 0, 0]) + fields
    blocks = (len(body) + 1 + 7) // 8
    body = bytes([1, blocks]) + body[2:] + bytes(blocks * 8 - 1 - len(body))
    return checksummed(bytes([1, 0, 0, 1, 0, 0, 0])) + checksummed(body)


class Layouts(BoardsTest):
    def test_every_layout_is_identified_and_loads_its_driver(self):
        thex = ("--hardware-id", "thex:cafe:0042", "--unique-id", "7", "--friendly-name", "Thermo")
        boards = [
            # file, content, what the driver sees
            ("50.eep", self.image("hat", "--hardware-id", live.HARDWARE_ID, "--revision", 3, "--uuid", UUID, "--size", 8192),
             [live.HARDWARE_ID, 3]),
            ("50.eep", self.image("hat-1", "--hardware-id", "hat:Meadow:0001", "--format", "hat", "--size", 4096), ["hat:Meadow:0001", 0]),
            ("50.eep", self.image("hexpansion", *thex, "--size", 8192), ["thex:cafe:0042", 0]),
            ("50.eep", self.image("hexpansion-small", *thex, "--format", "2026", "--size", 2048), ["thex:cafe:0042", 0]),
            ("50.eep", self.image("life", "--hardware-id", "life:Blinky:leds", "--size", 256), ["life:Blinky:leds", 0]),
            ("54.eep", cape().ljust(32768, b"\xff"), ["cape:Meadow:BB-THERMO", int.from_bytes(b"00A2", "big")]),
            ("50.eep", fru().ljust(256, b"\xff"), ["fru:Meadow:TH-1", 0]),
            ("51.eep", VECTORS / "hat-plus-thermo.eep", [live.HARDWARE_ID, 3]),
        ]
        self.publish(self.driver("hello"), *sorted({identity[0] for _, _, identity in boards}))
        board = self.motherboard()
        for slot, (name, content, identity) in enumerate(boards):
            with self.subTest(slot=slot, hardware_id=identity[0]):
                self.plug(board, slot, content, name)
                board.wait_event("loaded", slot=slot)
                self.assertEqual(board.call(slot, "identity")[:2], identity)
                self.assertEqual(board.call(slot, "says"), "hello")
        serials = {slot: board.call(slot, "identity")[2] for slot in (0, 2, 5, 6)}
        self.assertEqual(serials[0], UUID.replace("-", ""))
        self.assertEqual(bytes.fromhex(serials[5]), b"4926MEAD0007")
        self.assertEqual(bytes.fromhex(serials[6]), b"SN-0042")
        self.assertTrue(serials[2])

    def test_what_is_no_board_is_said_with_its_first_bytes_and_disturbs_nothing(self):
        self.publish(self.driver("hello"), live.HARDWARE_ID)
        good = self.image("good", "--hardware-id", live.HARDWARE_ID)
        half = pathlib.Path(good).read_bytes()
        strange = [("blank", bytes(8192).replace(b"\0", b"\xff")), ("blank", bytes(8192)),
                   ("bad_checksum", half[:40] + b"\xff" * (len(half) - 40)), ("bad_magic", b"no layout that anybody knows" * 99)]
        board = self.motherboard()
        for slot, (error, content) in enumerate(strange):
            self.plug(board, slot, content)
            said = board.wait_event("unidentified", slot=slot)
            with self.subTest(error=error):
                self.assertIn(error, (said["error"], "bad_checksum") if error == "bad_checksum" else (said["error"],))
                self.assertIn(content[:4].hex(), said["detail"].replace(" ", ""))
            self.assertEqual((board.bus / f"slot{slot}/50.eep").read_bytes(), content)
        self.plug(board, 7, good)
        board.wait_event("loaded", slot=7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
