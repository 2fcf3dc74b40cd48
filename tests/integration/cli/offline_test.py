"""Commands that need no server: init, keygen, pack, inspect, eeprom."""

import unittest

from support import (CONFLICT, HARDWARE_ID, NOT_FOUND, REPO, USAGE, VERIFICATION, CliTest, driver, flipped, live)


class Init(CliTest):
    def test_init_makes_server_and_keys_apart_and_says_the_fingerprint(self):
        keys, data = self.folder / "keys", self.folder / "data"
        said = self.run_json("init", "--data", data, "--keys", keys)
        for name in ("root.key", "targets.key", "admin.token"):
            self.assert_secret(keys / name)
        self.assertEqual(data.stat().st_mode & 0o7777, 0o700)
        self.assertRegex(said["root_fingerprint"], "^[0-9a-f]{64}$")
        shown = self.run_json("inspect", keys / "root.mpyd")
        self.assertEqual(shown["fingerprint"], said["root_fingerprint"])
        self.assertEqual(shown["kind"], "root")
        everything = b"".join(p.read_bytes() for p in data.rglob("*") if p.is_file())
        for name in ("root.key", "targets.key"):
            secret = (keys / name).read_bytes()
            self.assertNotIn(secret[-40:], everything)

    def test_keys_inside_the_data_directory_are_refused(self):
        data = self.folder / "data"
        for keys in (data, data / "keys", data / "a" / "b", self.folder / "x" / ".." / "data" / "keys"):
            with self.subTest(keys=keys):
                self.run_fails(USAGE, "init", "--data", data, "--keys", keys, saying="inside the data directory")
        data.mkdir(mode=0o700)
        (self.folder / "link").symlink_to(data)
        self.run_fails(USAGE, "init", "--data", data, "--keys", self.folder / "link" / "keys")

    def test_a_second_init_changes_nothing(self):
        keys, data = self.folder / "keys", self.folder / "data"
        self.run_ok("init", "--data", data, "--keys", keys)
        before = {p: p.read_bytes() for p in keys.iterdir()}
        self.run_fails(CONFLICT, "init", "--data", data, "--keys", keys)
        self.run_fails(CONFLICT, "init", "--data", data, "--keys", self.folder / "keys2")
        self.assertEqual({p: p.read_bytes() for p in keys.iterdir()}, before)
        self.assertFalse((self.folder / "keys2").exists())


class Keygen(CliTest):
    def test_a_key_is_made_once_and_recognised(self):
        key = self.folder / "p.key"
        public = self.run_ok("keygen", "--role", "publisher", "--out", key).stdout.strip()
        self.assert_secret(key)
        self.assertEqual(self.run_json("inspect", key)["public_key"], public)
        self.assertEqual(self.run_json("inspect", f"{key}.pub")["public_key"], public)
        self.run_fails(CONFLICT, "keygen", "--role", "publisher", "--out", key)
        self.run_fails(USAGE, "keygen", "--role", "king", "--out", self.folder / "k")

    def test_a_passphrase_comes_from_a_file(self):
        phrase = self.folder / "phrase"
        phrase.write_text("open sesame\n")
        phrase.chmod(0o600)
        key = self.folder / "p.key"
        self.run_ok("keygen", "--role", "publisher", "--out", key, "--passphrase-file", phrase)
        self.assertTrue(self.run_json("inspect", key)["passphrase"])


class PackAndInspect(CliTest):
    def setUp(self):
        super().setUp()
        self.keys = self.folder / "keys"
        self.run_ok("init", "--data", self.folder / "data", "--keys", self.keys)
        self.key = self.keys / "p.key"
        self.run_ok("keygen", "--role", "publisher", "--out", self.key)

    def pack(self, *files, version="1.0.0", release=1, more=()):
        return self.run_json("pack", *files, "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", version,
                             "--release", release, "--key", self.key, "--root", self.keys / "root.mpyd", "--out-dir",
                             self.folder, *more)["packages"]

    def test_packages_are_named_after_driver_version_and_abi(self):
        packed = self.pack(driver("x64"), driver("any"))
        self.assertEqual([p["abi"] for p in packed], ["6.3-x64", "6-any"])
        for package in packed:
            self.assertTrue(package["file"].endswith(f"/thermo-1.0.0-{package['abi']}.mpkg"))
            shown = self.run_json("inspect", package["file"])
            self.assertTrue(shown["valid"])
            self.assertEqual(shown["packages"][0]["digest"], package["digest"])
            self.assertEqual(shown["packages"][0]["hardware_id"], HARDWARE_ID)

    def test_overrides_change_the_abi_and_unknown_ones_are_refused(self):
        packed = self.pack(f"{driver('x64')}:float=soft,repr=C")
        self.assertEqual(packed[0]["abi"], "6.3-x64-softfp-reprC")
        arguments = ("--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", "1.0.0", "--release", "1", "--key",
                     self.key, "--root", self.keys / "root.mpyd")
        self.run_fails(USAGE, "pack", f"{driver('x64')}:float=odd", *arguments)
        self.run_fails(USAGE, "pack", f"{driver('any')}:float=soft", *arguments)
        self.run_fails(CONFLICT, "pack", driver("x64"), driver("x64"), *arguments)

    def test_an_encrypted_package_hides_the_driver_and_a_public_one_does_not(self):
        plain = driver("any").read_bytes()
        part = plain[len(plain) // 2:len(plain) // 2 + 24]
        hidden = self.pack(driver("any"))[0]["file"]
        public = self.pack(driver("any"), version="1.0.1", more=["--public"])[0]["file"]
        self.assertNotIn(part, open(hidden, "rb").read())
        self.assertIn(part, open(public, "rb").read())

    def test_inspect_finds_every_damage_outside_the_signature(self):
        package = self.pack(driver("any"))[0]["file"]
        file = live.pathlib.Path(package)
        size = len(file.read_bytes())
        for byte in (0, 5, 8, 9, 11, 30, size - 200, size - 120, size // 2):
            with self.subTest(byte=byte):
                damaged = flipped(file, self.folder / "damaged", byte * 8 + 1)
                self.run_fails(VERIFICATION, "inspect", damaged)
        for keep in (0, 4, 9, 100, size - 99, size - 1):
            (self.folder / "short").write_bytes(file.read_bytes()[:keep])
            with self.subTest(keep=keep):
                done = live.mpyd("inspect", self.folder / "short", check=False)
                # Without its key block a package is still a package.
                self.assertIn(done.returncode, (VERIFICATION,) if keep != size - 99 else (0,), done.stderr)

    def test_a_wrong_key_role_and_an_open_key_file_are_refused(self):
        arguments = ("pack", driver("any"), "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", "1.0.0",
                     "--release", "1", "--root", self.keys / "root.mpyd", "--out-dir", self.folder)
        self.run_fails(USAGE, *arguments, "--key", self.keys / "targets.key", saying="targets key")
        self.key.chmod(0o640)
        self.run_fails(3, *arguments, "--key", self.key, saying="chmod 600")

    def test_names_that_are_paths_are_refused(self):
        arguments = ("--hardware-id", HARDWARE_ID, "--release", "1", "--root", self.keys / "root.mpyd", "--key", self.key,
                     "--out-dir", self.folder)
        for name in ("../thermo", "a/b", "", "1thermo", "x" * 33, "th..", "\u00e9"):
            with self.subTest(name=name):
                done = live.mpyd("pack", driver("any"), *arguments, "--name", name, "--version", "1.0.0", check=False)
                self.assertIn(done.returncode, (USAGE, VERIFICATION))
        self.assertEqual(list(self.folder.rglob("*.mpkg")), [])


class Eeprom(PackAndInspect):
    UUID = "2f0c6a1e-5b7d-4c3a-9e21-7a5f1b8c4d10"

    def test_the_vectors_of_the_formats_own_tools_are_identified(self):
        shown = self.run_json("eeprom", "identify", REPO / "tests/vectors/hat-plus-thermo.eep")
        self.assertEqual((shown["hardware_id"], shown["revision"], shown["serial"]), (HARDWARE_ID, 3, self.UUID))
        shown = self.run_json("eeprom", "identify", REPO / "tests/vectors/hat-v1-relay.eep")
        self.assertEqual((shown["hardware_id"], shown["revision"]), ("hat:Meadow%20Instruments:1007", 1))

    def test_an_image_carries_identity_configuration_and_package(self):
        package = self.pack(driver("any"))[0]
        config = self.folder / "config"
        config.write_bytes(b"gain=1.0025\n")
        image = self.folder / "board.eep"
        self.run_ok("eeprom", "build", "--vendor", "Meadow Instruments", "--product-id", "0042", "--product-name",
                    "Thermo board", "--revision", 3, "--serial", self.UUID, "--package", package["file"], "--config",
                    config, "--size", 8192, "--out", image)
        self.assertEqual(image.stat().st_size, 8192)
        shown = self.run_json("inspect", image)
        self.assertEqual((shown["hardware_id"], shown["revision"], shown["serial"]), (HARDWARE_ID, 3, self.UUID))
        self.assertEqual([p["digest"] for p in shown["packages"]], [package["digest"]])
        # The vendor atom is what the formats' own tool writes.
        vector = (REPO / "tests/vectors/hat-plus-thermo.eep").read_bytes()
        self.assertEqual(image.read_bytes()[12:0x4c], vector[12:0x4c])

    def test_a_package_of_another_board_does_not_go_on_this_one(self):
        package = self.pack(driver("any"))[0]["file"]
        self.run_fails(VERIFICATION, "eeprom", "build", "--hardware-id", "hat:Meadow%20Instruments:0043", "--package",
                       package, "--out", self.folder / "x.eep")
        self.assertFalse((self.folder / "x.eep").exists())

    def test_what_does_not_fit_and_what_is_blank_is_refused(self):
        package = self.pack(driver("any"))[0]["file"]
        self.run_fails(VERIFICATION, "eeprom", "build", "--hardware-id", HARDWARE_ID, "--package", package, "--size", 256,
                       "--out", self.folder / "x.eep", saying="256")
        for fill in (b"\xff", b"\x00", b"LI"):
            (self.folder / "blank").write_bytes(fill * 128)
            self.run_fails(VERIFICATION, "eeprom", "identify", self.folder / "blank")
        self.run_fails(NOT_FOUND, "eeprom", "identify", self.folder / "nothing")


class Words(CliTest):
    def test_the_version_is_told(self):
        self.assertRegex(self.run_ok("--version").stdout, r"^\d+\.\d+\.\d+")

    def test_wrong_usage_is_code_2_with_a_hint(self):
        for arguments in ([], ["nonsense"], ["publish"], ["keygen", "--odd"], ["trust"]):
            with self.subTest(arguments=arguments):
                self.assertIn("hint: ", self.run_fails(USAGE, *arguments).stderr)


if __name__ == "__main__":
    unittest.main()
