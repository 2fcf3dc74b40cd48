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
import hexpansion_reader  # noqa: E402
import life_reader  # noqa: E402

VECTORS = REPO / "tests/vectors"
USAGE, NOT_FOUND, CONFLICT, VERIFICATION = 2, 4, 5, 6
UUID = "2f0c6a1e-5b7d-4c3a-9e21-7a5f1b8c4d10"
HARDWARE_ID = "hat:Meadow%20Instruments:1007"
HEXPANSION = "thex:cafe:0042"
PACKAGE, KEY_BLOCK, CONFIGURATION, STORE_AREA, CHECKSUM = 1, 2, 3, 4, 6
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

    def build_hexpansion(self, *arguments):
        """The same of a hexpansion."""
        done = live.mpyd("eeprom", "build", "--out", self.image, "--json", *arguments)
        data, said = self.image.read_bytes(), json.loads(done.stdout)
        read = hexpansion_reader.read(data)
        self.assertEqual((said["bytes"], said["used_bytes"]), (len(data), read.file_system))
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
        self.fails(USAGE, "--hardware-id", "cape:Acme:RELAY", saying="read, not built")
        self.fails(USAGE, "--hardware-id", "hat:V:00AB", saying="lower case")

    def test_atoms_for_other_readers_are_taken_as_they_are_if_the_format_allows_them(self):
        tree = self.file("tree", b"an-overlay")
        read, _ = self.build("--hardware-id", HARDWARE_ID, "--atom", f"3:{tree}")
        self.assertEqual(read.atoms[1], (hat_reader.DEVICE_TREE, b"an-overlay"))
        self.image.unlink()
        record = self.file("record", b"mpyd\x03\x01\x00\x00\x00x")
        for atom, saying in ((f"0:{tree}", "1 to 65534"), (f"65535:{tree}", "1 to 65534"), (f"1:{tree}", "vendor atom"), (f"6:{tree}", "--current"),
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


class Hexpansions(EepromTest):
    def test_the_strict_readers_read_the_examples_of_the_formats_and_nothing_damaged(self):
        header = (VECTORS / "hexpansion-2024-header.eep").read_bytes()
        _, numbers, name = hexpansion_reader.read_header(header)
        self.assertEqual((numbers, name), ([0x40, 0x40, 65536, 0xF055, 1, 2], b"EXAMPLE\0\0"))
        for byte in range(len(header)):
            damaged = bytearray(header)
            damaged[byte] ^= 1
            with self.subTest(byte=byte), self.assertRaises(hat_reader.NotAnImage):
                hexpansion_reader.read_header(bytes(damaged))
        self.assertEqual(life_reader.read((VECTORS / "life-hello.eep").read_bytes()), ("HELLO", "test", b"\1\2\3"))

    def test_headers_of_both_years_say_what_was_asked_for(self):
        for year in ("2024", "2026"):
            for size, page in ((256, 8), (2048, 16), (8192, 32), (32768, 64), (65536, 128)):
                with self.subTest(year=year, size=size):
                    read, said = self.build_hexpansion("--format", year, "--hardware-id", HEXPANSION, "--size", size,
                                                       "--friendly-name", "⇩ Thermo"[:7], "--unique-id", 0x1234)
                    self.assertEqual((read.year, read.page_bytes, read.total_bytes), (year.encode(), page, size))
                    self.assertEqual((read.vid, read.pid, read.unique_id), (0xCAFE, 0x42, 0x1234))
                    self.assertEqual(read.friendly_name, "⇩ Therm".encode())
                    self.assertEqual((said["hardware_id"], said["revision"], said["serial"], said["layout"]),
                                     (HEXPANSION, 0, "1234", "hexpansion"))
        read, said = self.build_hexpansion("--hardware-id", HEXPANSION, "--size", 8192)
        self.assertEqual((read.file_system, read.unique_id, said["serial"]), (32, 0, ""))

    def test_configuration_and_room_for_packages_lie_before_the_file_system(self):
        config = self.file("config", bytes(range(256)) * 4)
        read, said = self.build_hexpansion("--hardware-id", HEXPANSION, "--size", 8192, "--config", config,
                                           "--reserve", 3000, "--page-size", 64)
        self.assertEqual([kind for kind, _ in read.records], [STORE_AREA, CONFIGURATION, CHECKSUM])
        self.assertEqual(read.records[1][1][9:], config.read_bytes())
        area = said["store_area"]
        self.assertEqual((area["offset"], area["bytes"], area["page_bytes"]), read.area)
        self.assertEqual(area["bytes"], 3008)
        damaged = bytearray(self.image.read_bytes())
        damaged[32 + 20 + 9 + 500] ^= 4  # in the configuration
        with self.assertRaises(hat_reader.NotAnImage):
            hexpansion_reader.read(bytes(damaged))
        done = live.mpyd("eeprom", "identify", self.file("damaged", damaged), check=False)
        self.assertEqual(done.returncode, VERIFICATION)
        self.assertIn("checksum", done.stderr)

    def test_what_no_badge_could_read_is_refused_with_what_to_do(self):
        arguments = ("--hardware-id", HEXPANSION)
        self.fails(USAGE, *arguments, saying="give --size")
        self.fails(VERIFICATION, *arguments, "--size", 2048, "--reserve", 4000, saying="take an EEPROM of 8192 bytes")
        self.fails(VERIFICATION, *arguments, "--size", 131072, saying="at most 65536")
        self.fails(USAGE, *arguments, "--size", 8191, saying="data sheet")
        self.fails(USAGE, *arguments, "--size", 8192, "--page-size", 24, saying="no EEPROM has pages of 24")
        self.fails(VERIFICATION, *arguments, "--size", 8192, "--friendly-name", "1234567890", saying="room for 9")
        self.fails(USAGE, *arguments, "--size", 8192, "--format", "2025", saying="2024 or 2026")
        for unique_id in ("65536", "-1", "x", "0x", "0x10000"):
            self.fails(USAGE, *arguments, "--size", 8192, f"--unique-id={unique_id}", saying="65535")
        for option in (("--current", 10), ("--revision", 1), ("--product", "p"), ("--driver-data", "f")):
            self.fails(USAGE, *arguments, "--size", 8192, *option, saying="nothing that a hexpansion can carry")
        self.fails(USAGE, "--hardware-id", "thex:cafe:42", "--size", 8192, saying="four hex digits")
        self.fails(USAGE, "--hardware-id", "thex:CAFE:0042", "--size", 8192, saying="lower case")


class OtherLayouts(EepromTest):
    def test_a_life_add_on_is_its_names_and_driver_data(self):
        data = self.file("data", b"\1\2\3")
        live.mpyd("eeprom", "build", "--hardware-id", "life:HELLO:test", "--driver-data", data, "--out", self.image)
        self.assertEqual(self.image.read_bytes(), (VECTORS / "life-hello.eep").read_bytes())
        done = live.mpyd("eeprom", "build", "--hardware-id", "life:Caf%C3%A9%20LED:leds", "--size", 256, "--out", self.image,
                         "--json")
        self.assertEqual(life_reader.read(self.image.read_bytes()), ("Café LED", "leds", b""))
        self.assertEqual(json.loads(done.stdout)["hardware_id"], "life:Caf%C3%A9%20LED:leds")
        self.image.unlink()
        for option in (("--config", data), ("--reserve", 100), ("--serial", 1), ("--format", "hat")):
            self.fails(USAGE, "--hardware-id", "life:a:b", *option, saying="nothing that a LIFE add-on can carry")
        self.fails(VERIFICATION, "--hardware-id", "life:HELLO:test", "--size", 16, saying="take an EEPROM of 128 bytes")

    def test_a_hat_says_what_it_takes_and_where_packages_may_be_stored(self):
        read, said = self.build("--hardware-id", HARDWARE_ID, "--current", 350)
        self.assertEqual(read.atoms[1], (hat_reader.POWER, (350).to_bytes(4, "little")))
        self.assertEqual((said["current_ma"], said["store_area"]), (350, None))
        done = live.mpyd("eeprom", "build", "--hardware-id", HARDWARE_ID, "--reserve", 4000, "--size", 8192, "--out",
                         self.image, "--json")
        read, said = hat_reader.read(self.image.read_bytes()), json.loads(done.stdout)
        area = said["store_area"]
        self.assertEqual((area["offset"], area["bytes"], area["page_bytes"]), hat_reader.store_area(read))
        self.assertEqual((area["bytes"], area["page_bytes"]), (4000, 32))
        self.assertEqual(said["used_bytes"], area["offset"] + area["bytes"])
        self.image.unlink()
        arguments = ("--hardware-id", HARDWARE_ID, "--reserve")
        self.fails(USAGE, *arguments, 4000, saying="give --size")
        self.fails(USAGE, *arguments, 10, "--size", 4096, saying="holds no package")
        self.fails(VERIFICATION, *arguments, 4001, "--size", 4096, saying="take an EEPROM of 8192 bytes")
        self.fails(VERIFICATION, *arguments, 4294967295, "--size", 65536, saying="more than the largest EEPROM")
        self.fails(VERIFICATION, *arguments, 65500, "--size", 65536, saying="does not fit any EEPROM")
        self.fails(USAGE, "--hardware-id", HARDWARE_ID, "--format", "hat", "--current", 5, saying="--current")

    def identify(self, data, *more):
        path = self.file("image", data)
        return live.mpyd("eeprom", "identify", path, *more, check=False)

    def test_what_is_wrong_with_an_image_is_told_with_its_first_bytes(self):
        header = (VECTORS / "hexpansion-2024-header.eep").read_bytes()
        damaged = bytearray(header)
        damaged[20] ^= 4
        for name, data, saying in (
                ("blank", b"\xff" * 256, "the EEPROM is blank"), ("zeros", bytes(256), "the EEPROM is blank"),
                ("foreign", b"hello, world" * 20, "starts with 68656c6c6f2c20776f726c64"),
                ("half", header[:16] + b"\xff" * 8176, "checksum"), ("damaged", bytes(damaged) + bytes(65504), "checksum"),
                ("cut off", header, "it has 32 bytes"), ("empty", b"", "it has 0 bytes")):
            with self.subTest(name):
                done = self.identify(data)
                self.assertEqual(done.returncode, VERIFICATION)
                self.assertIn(saying, done.stderr)
                done = self.identify(data, "--json")
                self.assertIn("error", json.loads(done.stdout))

    def test_many_images_are_told_one_after_the_other_whatever_one_of_them_is(self):
        good = self.file("good", (VECTORS / "hat-v1-relay.eep").read_bytes())
        bad = self.file("bad", b"\xff" * 100)
        life = VECTORS / "life-hello.eep"
        done = live.mpyd("eeprom", "identify", "--json", good, bad, life, check=False)
        self.assertEqual(done.returncode, VERIFICATION)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line.get("hardware_id") for line in lines], [HARDWARE_ID, None, "life:HELLO:test"])
        self.assertEqual([line.get("file") for line in lines], [str(good), None, str(life)])
        self.assertEqual(live.mpyd("eeprom", "identify", good, life).stdout.count("hardware ID"), 2)

    def test_what_may_be_a_secret_is_not_shown_by_inspect(self):
        # Begins as a FRU does, and is none.
        path = self.file("secret", b"\x01secre\0t" * 8)
        done = live.mpyd("inspect", path, check=False)
        self.assertEqual(done.returncode, VERIFICATION)
        self.assertIn("not a file that mpyd inspects", done.stderr)
        self.assertNotIn("736563", done.stderr)
        for name in ("hat-v1-relay.eep", "life-hello.eep"):
            self.assertIn("valid", live.mpyd("inspect", VECTORS / name).stdout)


class Batches(EepromTest):
    def batch(self, *arguments, check=True):
        return live.mpyd("eeprom", "build", "--out", self.folder / "{serial}.eep", *arguments, check=check)

    def test_every_hexpansion_of_a_batch_has_the_next_serial_and_a_label_line(self):
        done = self.batch("--hardware-id", HEXPANSION, "--size", 8192, "--batch", 5, "--serial-start", 254)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        serials = ["00fe", "00ff", "0100", "0101", "0102"]
        self.assertEqual(rows, [[str(self.folder / f"{s}.eep"), HEXPANSION, "0", s] for s in serials])
        for path, _, _, serial in rows:
            self.assertEqual(hexpansion_reader.read(pathlib.Path(path).read_bytes()).unique_id, int(serial, 16))

    def test_every_hat_of_a_batch_has_a_random_uuid(self):
        done = self.batch("--hardware-id", HARDWARE_ID, "--revision", 2, "--batch", 4, "--json")
        labels = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len({label["serial"] for label in labels}), 4)
        for label in labels:
            self.assertEqual((label["hardware_id"], label["revision"]), (HARDWARE_ID, 2))
            read = hat_reader.read(pathlib.Path(label["file"]).read_bytes())
            self.assertEqual(str(read.vendor.uuid), label["serial"])
            self.assertEqual(read.vendor.uuid.version, 4)

    def test_a_file_that_is_there_is_replaced_by_force_only(self):
        arguments = ("--hardware-id", HEXPANSION, "--size", 8192, "--batch", 3)
        there = self.file("0002.eep", b"labelled")
        self.assertEqual(self.batch(*arguments, check=False).returncode, CONFLICT)
        self.assertEqual(there.read_bytes(), b"labelled")
        self.assertFalse((self.folder / "0001.eep").exists())
        self.batch(*arguments, "--force")
        self.assertEqual(hexpansion_reader.read(there.read_bytes()).unique_id, 2)

    def test_what_makes_no_batch_is_wrong_usage(self):
        hexpansion = ("--hardware-id", HEXPANSION, "--size", 8192)
        self.fails(USAGE, *hexpansion, "--batch", 2, saying="one file")
        self.fails(USAGE, *hexpansion, "--serial-start", 2, saying="--batch")
        for arguments, code in (((*hexpansion, "--batch", 2, "--serial", 3), USAGE),
                                ((*hexpansion, "--batch", 2, "--serial-start", 65535), VERIFICATION),
                                ((*hexpansion, "--batch", 10001), VERIFICATION),
                                ((*hexpansion, "--batch", 0), USAGE),
                                (("--hardware-id", HARDWARE_ID, "--batch", 2, "--serial-start", 3), USAGE),
                                (("--hardware-id", "life:a:b", "--batch", 2), USAGE)):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.batch(*arguments, check=False).returncode, code)
        self.assertEqual(list(self.folder.glob("*.eep")), [])


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
        self.fails(USAGE, *arguments, "--size", used - 1, saying=f"no EEPROM has {used - 1} bytes")
        done = self.fails(VERIFICATION, *arguments, "--size", 2048, saying=f"the image has {used} bytes, the EEPROM 2048")
        self.assertIn("take an EEPROM of 4096 bytes", done.stderr)
        self.fails(VERIFICATION, *arguments, "--size", 65537, saying="at most 65536 bytes")
        self.fails(VERIFICATION, *arguments, "--size", 4294967295, saying="at most 65536 bytes")
        read, said = self.build(*arguments, "--size", 4096)
        self.assertEqual(said["bytes"], 4096)

    def test_a_hexpansion_carries_packages_and_their_key_blocks_the_most_specific_first(self):
        packages = [self.pack(arch, hardware_id=HEXPANSION, out="hexpansion") for arch in ("any", "x64", "armv7m")]
        read, said = self.build_hexpansion("--hardware-id", HEXPANSION, *(a for p in packages for a in ("--package", p)),
                                           "--size", 16384, "--reserve", 4000)
        self.assertEqual([kind for kind, _ in read.records], [STORE_AREA] + 3 * [PACKAGE, KEY_BLOCK] + [CHECKSUM])
        self.assertEqual(len(said["packages"]), 3)
        self.assertEqual(said["packages"][-1]["abi"], "6-any")
        self.assertEqual({p["place"] for p in said["packages"]}, {"board"})
        files = {p.read_bytes() for p in packages}
        records = [data for _, data in read.records[1:]]
        self.assertEqual({package + keys for package, keys in zip(records[::2], records[1::2])}, files)

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
