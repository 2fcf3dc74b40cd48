"""`mpyd eeprom build`: every image by the format's own rules, and as the format's own tool writes it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest
import uuid

REPO = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402
import hat_reader  # noqa: E402

VECTORS = REPO / "tests/vectors"
USAGE, NOT_FOUND, CONFLICT, VERIFICATION = 2, 4, 5, 6
UUID = "2f0c6a1e-5b7d-4c3a-9e21-7a5f1b8c4d10"
HARDWARE_ID = "hat:Meadow%20Instruments:1007"
PACKAGE, KEY_BLOCK, CONFIGURATION = 1, 2, 3
ARCHS = ("any", "x64", "armv6m", "armv7m", "armv7emsp")

built = None


def setUpModule():
    global built
    built = live.temporary_folder()
    unittest.addModuleCleanup(shutil.rmtree, built)
    subprocess.run([REPO / "deploy/driver", "build", REPO / "tests/drivers/relay", "--out", built, "--arch",
                    ",".join(ARCHS)], check=True, capture_output=True)


class EepromTest(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.image = self.folder / "board.eep"

    def build(self, *arguments):
        """Builds an image and holds it against the format; returns what was read and what mpyd said."""
        done = live.mpyd("eeprom", "build", "--out", self.image, "--json", *arguments)
        data = self.image.read_bytes()
        said = json.loads(done.stdout)
        read = hat_reader.read(data)
        self.assertEqual((said["bytes"], said["used_bytes"]), (len(data), read.used_bytes))
        return read, said

    def fails(self, code, *arguments, saying="", command="build"):
        where = ("--out", self.image) if command == "build" else ()
        done = live.mpyd("eeprom", command, *where, *arguments, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(saying, done.stderr)
        self.assertFalse(self.image.exists())
        return done

    def file(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path


class Identity(EepromTest):
    def test_the_strict_reader_reads_what_the_formats_own_tool_wrote_and_nothing_damaged(self):
        for name, version in (("hat-plus-thermo.eep", 2), ("hat-v1-relay.eep", 1)):
            data = (VECTORS / name).read_bytes()
            self.assertEqual(hat_reader.read(data).version, version)
            for byte in range(len(data)):
                damaged = bytearray(data)
                damaged[byte] ^= 1
                with self.subTest(name=name, byte=byte), self.assertRaises(hat_reader.NotAnImage):
                    hat_reader.read(bytes(damaged))

    def test_from_the_settings_of_the_vectors_come_the_same_bytes(self):
        custom = self.file("custom", bytes.fromhex("6d70796400010203"))
        text = self.file("text", b"gain=1.0025\noffset=-0.125\n")
        self.build("--vendor", "Meadow Instruments", "--product", "Thermo board", "--product-id", "0042",
                   "--product-version", 3, "--uuid", UUID, "--atom", f"4:{custom}", "--atom", f"4:{text}")
        self.assertEqual(self.image.read_bytes(), (VECTORS / "hat-plus-thermo.eep").read_bytes())

        gpio = bytearray(hat_reader.GPIO_MAP_BYTES)
        gpio[2 + 4] = 0x81  # GPIO4: used, an output
        pins = self.file("gpio", gpio)
        self.build("--format", "hat", "--vendor", "Meadow Instruments", "--product", "Relay board", "--product-id", "1007",
                   "--product-version", 1, "--uuid", "9b1d2c3e-0a4f-4e55-8b66-c1d2e3f4a5b6", "--atom", f"2:{pins}")
        self.assertEqual(self.image.read_bytes(), (VECTORS / "hat-v1-relay.eep").read_bytes())

    def test_both_layouts_carry_identity_and_configuration(self):
        config = self.file("config", bytes(range(256)) * 4)
        for name, version in (("hat", 1), ("hat+", 2)):
            with self.subTest(format=name):
                read, said = self.build("--format", name, "--hardware-id", HARDWARE_ID, "--revision", 65535, "--uuid", UUID,
                                        "--product", "Relay board", "--config", config, "--size", 4096)
                self.assertEqual(read.version, version)
                self.assertEqual(read.vendor, (uuid.UUID(UUID), 0x1007, 65535, b"Meadow Instruments", b"Relay board"))
                self.assertEqual(hat_reader.records(read)[0][1][9:], config.read_bytes())
                self.assertEqual((said["hardware_id"], said["revision"], said["serial"]), (HARDWARE_ID, 65535, UUID))
                self.assertEqual(self.image.stat().st_size, 4096)
                shown = json.loads(live.mpyd("eeprom", "identify", "--json", self.image).stdout)
                self.assertEqual(shown["hardware_id"], HARDWARE_ID)

    def test_every_image_of_a_spread_of_settings_is_read_by_the_formats_rules(self):
        for vendor in ("V", "Meadow Instruments", "v" * 87, "\u00e9:%/ "):
            for product in ("", "p", "p" * 255):
                for config in (None, 1, 1023, 1024):
                    for name in ("hat", "hat+"):
                        arguments = ["--format", name, "--vendor", vendor, "--product-id", "beef", "--product", product]
                        if config:
                            arguments += ["--config", self.file("config", b"c" * config)]
                        read, _ = self.build(*arguments)
                        self.assertEqual((read.vendor.vendor, read.vendor.product), (vendor.encode(), product.encode()))

    def test_an_identity_that_is_too_long_is_refused_as_such(self):
        ok = ("--product-id", "0001")
        self.fails(VERIFICATION, "--vendor", "v" * 256, *ok, saying="the vendor has 256 bytes")
        self.fails(VERIFICATION, "--vendor", "v" * 88, *ok, saying="at most 96 bytes")
        self.fails(VERIFICATION, "--vendor", " " * 40, *ok, saying="at most 96 bytes")
        self.fails(VERIFICATION, "--vendor", "v", "--product", "p" * 256, *ok, saying="the product has 256 bytes")
        self.fails(VERIFICATION, "--hardware-id", "hat:" + "v" * 90 + ":0001")
        self.fails(VERIFICATION, "--vendor", "v", "--revision", 65536, *ok, saying="65535")
        self.fails(VERIFICATION, "--vendor", "v", "--config", self.file("config", b"c" * 1025), *ok, saying="1024")
        done = live.mpyd("eeprom", "build", "--out", self.image, "--json", "--vendor", "v" * 256, *ok, check=False)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], "limit")

    def test_what_makes_no_board_is_wrong_usage(self):
        self.fails(USAGE, "--product-id", "0001", saying="whose board")
        self.fails(USAGE, "--vendor", "v", "--product-id", "1", saying="four hex digits")
        self.fails(USAGE, "--vendor", "v", "--product-id", "0001", "--uuid", "12-34", saying="UUID")
        self.fails(USAGE, "--vendor", "v", "--product-id", "0001", "--format", "hat-", saying="hat+ or hat")
        self.fails(USAGE, "--hardware-id", "thex:0001:0002", saying="hat:VENDOR:PRODUCT")

    def test_atoms_for_other_readers_are_taken_as_they_are_if_the_format_allows_them(self):
        tree = self.file("tree", b"an-overlay")
        read, _ = self.build("--hardware-id", HARDWARE_ID, "--atom", f"3:{tree}")
        self.assertEqual(read.atoms[1], (hat_reader.DEVICE_TREE, b"an-overlay"))
        self.image.unlink()
        record = self.file("record", b"mpyd\x03\x01\x00\x00\x00x")
        for atom, saying in ((f"0:{tree}", "1 to 65534"), (f"65535:{tree}", "1 to 65534"), (f"1:{tree}", "vendor atom"),
                             (f"2:{tree}", "has 30 bytes"), (f"4:{record}", "--config"), (f"{tree}", "TYPE:FILE"),
                             ("x:y", "TYPE:FILE")):
            with self.subTest(atom=atom):
                self.fails(USAGE, "--hardware-id", HARDWARE_ID, "--atom", atom, saying=saying)
        self.fails(NOT_FOUND, "--hardware-id", HARDWARE_ID, "--atom", "3:/nothing/here")

    def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(self):
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        started = time.monotonic()
        for option in ("--config", "--package"):
            self.fails(1, "--hardware-id", HARDWARE_ID, option, pipe, saying="not a regular file")
        self.fails(1, pipe, command="identify", saying="not a regular file")
        self.assertEqual(live.mpyd("inspect", pipe, check=False).returncode, 1)
        self.assertEqual(live.mpyd("inspect", "/dev/zero", check=False).returncode, 1)
        self.assertLess(time.monotonic() - started, 10)


class Packages(EepromTest):
    def setUp(self):
        super().setUp()
        self.server = live.Server(self.folder)
        self.packages = {arch: self.pack(arch) for arch in ARCHS}

    def pack(self, *archs, hardware_id=HARDWARE_ID, out="packages", more=()):
        folder = self.folder / out
        folder.mkdir(exist_ok=True)
        done = live.mpyd("pack", *(built / arch / "relay.mpy" for arch in archs), "--hardware-id", hardware_id, "--name",
                         "relay", "--version", "1.0.0", "--release", 1, "--key", self.server.publisher, "--root",
                         self.server.root, "--out-dir", folder, "--json", *more)
        return pathlib.Path(json.loads(done.stdout)["packages"][0]["file"])

    def package_arguments(self, *archs):
        return [argument for arch in archs for argument in ("--package", self.packages[arch])]

    def test_packages_and_their_key_blocks_are_atoms_of_their_own_the_most_specific_first(self):
        config = self.file("config", b"gain=2")
        read, said = self.build("--hardware-id", HARDWARE_ID, *self.package_arguments("any", "armv6m", "x64", "armv7m"),
                                "--config", config, "--size", 16384)
        kinds = [kind for kind, _ in hat_reader.records(read)]
        self.assertEqual(kinds, [CONFIGURATION] + 4 * [PACKAGE, KEY_BLOCK])
        abis = [p["abi"] for p in said["packages"]]
        self.assertEqual(sorted(abis), ["6-any", "6.3-armv6m", "6.3-armv7m", "6.3-x64"])
        self.assertEqual(abis[-1], "6-any")
        self.assertLess(abis.index("6.3-armv7m"), abis.index("6.3-armv6m"))
        # Byte for byte what stands in the files.
        content = [data for kind, data in hat_reader.records(read)[1:]]
        by_abi = {p["abi"]: path for p, path in ((p, self.packages[p["abi"].split("-")[1]]) for p in said["packages"])}
        self.assertEqual(b"".join(content), b"".join(by_abi[abi].read_bytes() for abi in abis))
        for command in (("inspect",), ("eeprom", "identify")):
            shown = json.loads(live.mpyd(*command, "--json", self.image).stdout)
            self.assertEqual([p["digest"] for p in shown["packages"]], [p["digest"] for p in said["packages"]])
        text = live.mpyd("eeprom", "identify", self.image).stdout
        self.assertEqual(text.count("ABI "), 4)

    def test_one_file_may_hold_several_packages_and_public_ones_have_no_key_block(self):
        both = self.file("both.mpkg", self.packages["x64"].read_bytes() + self.packages["any"].read_bytes())
        read, _ = self.build("--hardware-id", HARDWARE_ID, "--package", both)
        self.assertEqual([kind for kind, _ in hat_reader.records(read)], [PACKAGE, KEY_BLOCK] * 2)
        public = self.pack("x64", out="public", more=["--public"])
        read, _ = self.build("--format", "hat", "--hardware-id", HARDWARE_ID, "--package", public)
        self.assertEqual([kind for kind, _ in hat_reader.records(read)], [PACKAGE])

    def test_what_does_not_fit_the_eeprom_says_how_much_it_is(self):
        arguments = ("--hardware-id", HARDWARE_ID, *self.package_arguments("x64", "armv7m"))
        _, said = self.build(*arguments)
        self.image.unlink()
        used = said["used_bytes"]
        done = self.fails(VERIFICATION, *arguments, "--size", used - 1,
                          saying=f"the image has {used} bytes, the EEPROM {used - 1}")
        self.assertIn("take an EEPROM of 4096 bytes", done.stderr)
        self.fails(VERIFICATION, *arguments, "--size", 65537, saying="at most 65536 bytes")
        self.fails(VERIFICATION, *arguments, "--size", 4294967295, saying="at most 65536 bytes")
        read, said = self.build(*arguments, "--size", used)
        self.assertEqual(said["bytes"], used)

    def test_more_than_any_eeprom_holds_is_refused(self):
        large = self.file("large", bytes(5000))
        self.fails(VERIFICATION, "--hardware-id", HARDWARE_ID, *(["--atom", f"4:{large}"] * 16),
                   saying="too much for one EEPROM")
        small = self.file("small", b"")
        self.fails(VERIFICATION, "--hardware-id", HARDWARE_ID, *(["--atom", f"4:{small}"] * 32), saying="32 atoms")
        self.build("--hardware-id", HARDWARE_ID, *(["--atom", f"4:{small}"] * 31))

    def test_packages_that_no_motherboard_would_take_from_this_board_are_refused(self):
        self.fails(CONFLICT, "--hardware-id", HARDWARE_ID, *self.package_arguments("x64", "x64"), saying="6.3-x64")
        other = self.pack("x64", hardware_id="hat:Meadow%20Instruments:0042", out="other")
        self.fails(VERIFICATION, "--hardware-id", HARDWARE_ID, *self.package_arguments("any"), "--package", other,
                   saying="hat:Meadow%20Instruments:0042")
        later = self.pack("x64", out="later", more=["--revisions", "4-7"])
        self.fails(VERIFICATION, "--hardware-id", HARDWARE_ID, "--revision", 3, "--package", later, saying="revisions 4 to 7")
        damaged = bytearray(self.packages["any"].read_bytes())
        damaged[len(damaged) // 2] ^= 1
        self.fails(VERIFICATION, "--hardware-id", HARDWARE_ID, "--package", self.file("damaged", damaged))


class OnTheMotherboard(EepromTest):
    def test_a_motherboard_takes_from_the_board_the_package_that_fits_it(self):
        server = live.Server(self.folder).start()
        self.addCleanup(server.stop)
        server.delegate(HARDWARE_ID, "relay")
        packages = self.folder / "packages"
        packages.mkdir()
        # Two that do not fit an x64 motherboard come first on the board, wherever they stand here.
        live.mpyd("pack", *(built / arch / "relay.mpy" for arch in ("x64", "armv7m", "armv7emsp")), "--hardware-id",
                  HARDWARE_ID, "--name", "relay", "--version", "1.0.0", "--release", 1, "--key", server.publisher, "--root",
                  server.root, "--out-dir", packages)
        files = sorted(packages.iterdir())
        server.publish(*files, hardware_id=HARDWARE_ID, name="relay")
        _, said = self.build("--hardware-id", HARDWARE_ID, *(a for file in files for a in ("--package", file)), "--size", 8192)
        self.assertNotEqual(said["packages"][0]["abi"], "6.3-x64")
        wire = live.Wire(server.port)
        self.addCleanup(wire.close)
        board = live.Motherboard(self.folder / "motherboard", server.provision("m", self.folder / "identity", port=wire.port),
                                 sync_interval_ms=400, retry_max_ms=300)
        board.start()
        self.addCleanup(board.stop)
        place = board.bus / "slot0"
        place.mkdir()
        (place / "18.regs").write_text("00: 00\n01: 00\n02: f0\n03: ff\n04: 01\n")
        board.plug(0, self.image)
        self.assertIn("relay 1.0.0 (6.3-x64)", board.wait_event("loaded", slot=0)["detail"])
        board.call(0, "set", 2, True)
        self.assertEqual(board.call(0, "state"), 4)
        self.assertFalse(b"GET /v1/packages/" in wire.captured, "it came over the network")


if __name__ == "__main__":
    unittest.main(verbosity=2)
