"""The main job, end to end: publish, store, resolve, deliver, verify, load, run, unload, on real MicroPython."""

import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

MARKER = b"a-secret-no-wire-or-disk-may-show"
CANARY = "canary: the driver's code runs"
FAST = dict(sync_interval_ms=400, retry_max_ms=300)

drivers = {}
scratch = None


def write_driver(name, text):
    folder = scratch / f"source-{name}"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return live.build_driver(folder, scratch / f"native-{name}", name)["any"]


def setUpModule():
    global scratch
    scratch = live.temporary_folder()
    drivers.update(live.build_driver(live.REPO / "tests/drivers/thermo", scratch / "native"))


def tearDownModule():
    shutil.rmtree(scratch)


class MainJob(unittest.TestCase):
    """One server, one wire, one motherboard per test."""

    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.wire = live.Wire(self.server.port)
        self.addCleanup(self.wire.close)
        self.server.delegate()
        self.image = self.make_image()
        self.motherboards = 0

    def make_image(self, hardware_id=live.HARDWARE_ID, *more):
        path = self.folder / f"board-{len(os.listdir(self.folder))}.eep"
        live.mpyd("eeprom", "build", "--hardware-id", hardware_id, "--revision", 3, "--out", path, *more)
        return path

    def motherboard(self, **options):
        self.motherboards += 1
        folder = self.folder / f"motherboard{self.motherboards}"
        folder.mkdir()
        identity = self.server.provision(f"motherboard {self.motherboards}", folder / "identity", port=self.wire.port)
        board = live.Motherboard(folder, identity, **dict(FAST, **options))
        board.start()
        self.addCleanup(board.stop)
        return board

    def publish_thermo(self, version="1.0.0", more=()):
        return self.server.publish(drivers["x64"], drivers["any"], version=version, more=more)

    def withdraw(self, verb, *more):
        self.server.admin("release", verb, "--hardware-id", live.HARDWARE_ID, "--version", "1.0.0", *more)

    # --- the path itself ---

    def test_a_plugged_board_loads_its_native_driver_and_reads_its_sensor(self):
        self.publish_thermo()
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=21500)
        loaded = board.wait_event("loaded", slot=0)
        self.assertIn("thermo 1.0.0 (6.3-x64)", loaded["detail"])
        self.assertEqual(board.call(0, "temperature"), 21500)
        board.set_temperature(0, -5250)
        self.assertEqual(board.call(0, "temperature"), -5250)

    def test_two_boards_of_a_kind_are_independent_and_a_pulled_ones_handle_answers_enodev(self):
        self.publish_thermo()
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=20000)
        board.plug(1, self.image, sensor_mdeg=30000)
        board.wait_event("loaded", slot=0)
        board.wait_event("loaded", slot=1)
        self.assertEqual([board.call(0, "temperature"), board.call(1, "temperature")], [20000, 30000])
        board.ask("keep", slot=0, name="handle")
        board.pull(0)
        board.wait_event("removed", slot=0)
        self.assertEqual(board.ask("call_kept", name="handle", method="temperature"), {"oserror": live.ENODEV})
        self.assertEqual(board.call(1, "temperature"), 30000)
        board.plug(0, self.image, sensor_mdeg=10000)
        board.wait_event("loaded", slot=0, count=2)
        self.assertEqual(board.call(0, "temperature"), 10000)
        self.assertEqual(board.ask("call_kept", name="handle", method="temperature"), {"oserror": live.ENODEV})

    def test_without_the_native_variant_the_bytecode_is_chosen_and_without_both_a_sentence_says_why(self):
        self.publish_thermo()
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=21500)
        board.wait_event("loaded", slot=0)
        self.withdraw("yank", "--abi", "6.3-x64")
        again = board.wait_event("loaded", slot=0, count=2)
        self.assertIn("thermo 1.0.0 (6-any)", again["detail"])
        self.assertEqual(board.call(0, "temperature"), 21500)
        self.withdraw("yank")
        refused = board.wait_event("refused", slot=0)
        self.assertRegex(refused["detail"], r"\w+ \w+ \w+")
        self.assertEqual(board.ask("slots")["answer"][0]["state"], "refused")
        self.withdraw("unyank")
        board.wait_event("loaded", slot=0, count=3)

    # --- releases' life ---

    def release(self, verb, version, *more):
        self.server.admin("release", verb, "--hardware-id", live.HARDWARE_ID, "--version", version, *more)

    def test_A33_a_yanked_release_is_avoided_where_it_is_cached_on_line_and_off(self):
        self.publish_thermo()
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=21500)
        board.wait_event("loaded", slot=0)
        self.publish_thermo("1.1.0")
        self.assertIn("thermo 1.1.0", board.wait_event("loaded", slot=0, count=2)["detail"])
        self.release("yank", "1.1.0")
        self.assertIn("thermo 1.0.0", board.wait_event("loaded", slot=0, count=3)["detail"])
        row = json.loads(self.server.admin("inventory", "--json").stdout)["boards"][0]
        self.assertEqual(row["hardware_id"], live.HARDWARE_ID)
        board.pull(0)
        board.stop()
        self.server.stop()
        self.assertEqual(len([name for name in os.listdir(board.cache) if name.startswith("p-")]), 2)
        # Off line, after a new start: the board as it was, and one of which the server never said a word.
        board.start()
        board.plug(0, self.image, sensor_mdeg=21500)
        self.assertIn("thermo 1.0.0", board.wait_event("loaded", slot=0)["detail"])
        newer = self.folder / "newer.eep"
        live.mpyd("eeprom", "build", "--hardware-id", live.HARDWARE_ID, "--revision", 4, "--out", newer)
        board.plug(1, newer, sensor_mdeg=21500)
        self.assertIn("thermo 1.0.0", board.wait_event("loaded", slot=1)["detail"])

    def test_a_pinned_motherboard_runs_its_release_until_it_is_unpinned(self):
        self.publish_thermo()
        self.publish_thermo("1.1.0")
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=21500)
        self.assertIn("thermo 1.1.0", board.wait_event("loaded", slot=0)["detail"])
        name = "motherboard 1"
        self.server.admin("device", "pin", name, "--hardware-id", live.HARDWARE_ID, "--version", "1.0.0")
        self.assertIn("thermo 1.0.0", board.wait_event("loaded", slot=0, count=2)["detail"])
        said = self.server.admin("explain", "--device", name, "--hardware-id", live.HARDWARE_ID).stdout
        self.assertIn("pinned this motherboard to release 1", said)
        self.server.admin("device", "unpin", name, "--hardware-id", live.HARDWARE_ID)
        self.assertIn("thermo 1.1.0", board.wait_event("loaded", slot=0, count=3)["detail"])

    def test_what_is_deprecated_is_loaded_as_before_and_told_where_people_look(self):
        self.publish_thermo()
        self.release("deprecate", "1.0.0", "--message", "reads too low; use 1.1.0")
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=21500)
        board.wait_event("loaded", slot=0)
        said = self.server.admin("explain", "--device", "motherboard 1", "--hardware-id", live.HARDWARE_ID).stdout
        self.assertIn("this release is deprecated: reads too low; use 1.1.0", said)
        listed = self.server.admin("release", "list").stdout
        self.assertIn("is deprecated: reads too low; use 1.1.0", listed)
        self.assertIn("is deprecated: reads too low; use 1.1.0", self.server.admin("info", live.HARDWARE_ID).stdout)
        self.assertIn("1.0.0 (deprecated)", self.server.admin("search", live.HARDWARE_ID).stdout)
        again = self.publish_thermo()
        self.assertEqual(again.stderr.count("version 1.0.0 is deprecated: reads too low; use 1.1.0"), 1)
        live.wait_for("the inventory", lambda: "deprecated" in self.server.admin("inventory").stdout)
        self.release("deprecate", "1.0.0", "--undo")
        self.assertNotIn("deprecated", self.server.admin("release", "list").stdout)

    def test_explain_tells_what_a_motherboard_still_runs(self):
        self.publish_thermo()
        board = self.motherboard(sync_interval_ms=60000)
        board.plug(0, self.image, sensor_mdeg=21500)
        board.wait_event("loaded", slot=0)

        def said():
            return self.server.admin("explain", "--device", "motherboard 1", "--hardware-id", live.HARDWARE_ID).stdout

        live.wait_for("the report", lambda: "it runs this package" in said())
        self.publish_thermo("1.1.0")
        self.assertIn("it still runs thermo 1.0.0, release 1; its next sync changes that", said())
        self.release("yank", "1.0.0")
        self.release("yank", "1.1.0")
        self.assertIn("it still runs thermo 1.0.0, release 1; it gets that no more", said())

    # --- damage and strangers ---

    def test_A02_a_bit_flipped_on_the_way_is_refused_before_the_loader_and_a_clean_copy_loads(self):
        canary = write_driver("thermo", f"print({CANARY!r})\ndef attach(board):\n    return board\ndef detach(x):\n    pass\n")
        package = json.loads(self.server.publish(canary, more=("--json",)).stdout)["packages"][0]
        size = package["bytes"]
        # In the head, in the manifest, in its signature's neighbourhood, in the sealed code, in the chain's end.
        for number, byte in enumerate((5, 20, 150, size - 60, size - 1)):
            with self.subTest(byte=byte):
                self.wire.tamper = live.flip_in_package(bit=8 * byte + number)
                board = self.motherboard(sync_interval_ms=60000)
                board.plug(0, self.image)
                refused = board.wait_event("refused", slot=0)
                self.assertIn(refused["error"], ("bad_digest", "bad_signature", "malformed", "untrusted", "bad_magic", "limit", "unsupported", "truncated"))
                self.assertEqual(board.count("loaded"), 0)
                self.assertNotIn(CANARY, "".join(board.errors))
                self.assertEqual([p.name for p in board.cache.iterdir() if p.name.startswith("p-")], [])
                self.wire.tamper = None
                board.stop()
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)
        self.assertIn(CANARY, "".join(board.errors), "the test would notice code that runs")

    def test_A01_a_strangers_package_in_an_eeprom_is_refused_by_the_agent_while_others_run(self):
        self.publish_thermo()
        board = self.motherboard()
        board.plug(1, self.image, sensor_mdeg=30000)
        board.wait_event("loaded", slot=1)
        stranger = self.server.new_publisher("stranger")
        live.mpyd("pack", drivers["x64"], "--hardware-id", live.HARDWARE_ID, "--name", "thermo", "--version", "9.9.9",
                  "--release", 999, "--key", stranger, "--root", self.server.root, "--public", "--out-dir", self.folder)
        package = next(self.folder.glob("thermo-9.9.9*.mpkg"))
        forged = self.make_image(live.HARDWARE_ID, "--package", package)
        self.server.kill()
        board.plug(0, forged, sensor_mdeg=20000)
        # What the server chose for this kind of board lies in the cache, but was chosen for a board without that
        # package; so the agent weighs both, refuses the stranger's, and runs the good one.
        loaded = board.wait_event("loaded", slot=0)
        self.assertIn("thermo 1.0.0", loaded["detail"])
        shutil.rmtree(board.cache)
        board.pull(0)
        board.wait_event("removed", slot=0)
        self.assertEqual(board.call(1, "temperature"), 30000)
        self.server.start()

    # --- secrecy ---

    def test_A23_a_marker_in_a_driver_shows_in_a_public_publish_and_nowhere_in_a_sealed_one(self):
        source = f"MARKER = {MARKER.decode()!r}\ndef attach(board):\n    return board\ndef detach(x):\n    pass\n"
        for sealed in (False, True):
            with self.subTest(sealed=sealed):
                folder = self.folder / f"sealed-{sealed}"
                folder.mkdir()
                server = live.Server(folder).start()
                self.addCleanup(server.stop)
                device_wire = live.Wire(server.port)
                admin_wire = live.Wire(server.ports[1])
                self.addCleanup(device_wire.close)
                self.addCleanup(admin_wire.close)
                server.delegate()
                driver = write_driver("thermo", source)
                more = ("--server", f"http://127.0.0.1:{admin_wire.port}") + (() if sealed else ("--public",))
                live.mpyd("publish", driver, "--hardware-id", live.HARDWARE_ID, "--name", "thermo", "--version", "1.0.0",
                          "--key", server.publisher, "--root", server.root, *more, token_file=server.token_file)
                live.mpyd("pack", driver, "--hardware-id", live.HARDWARE_ID, "--name", "thermo", "--version", "1.0.0",
                          "--release", 1, "--key", server.publisher, "--root", server.root, "--out-dir", folder,
                          *(() if sealed else ("--public",)))
                image = self.make_image(live.HARDWARE_ID, "--package", next(folder.glob("*.mpkg")))
                board = live.Motherboard(folder / "motherboard", server.provision("m", folder / "identity", port=device_wire.port), **FAST)
                board.start()
                board.plug(0, self.image)
                board.wait_event("loaded", slot=0)
                board.stop()
                server.stop()
                places = {
                    "the server's data": b"".join(p.read_bytes() for p in server.data.rglob("*") if p.is_file()),
                    "the cache": b"".join(p.read_bytes() for p in board.cache.rglob("*") if p.is_file()),
                    "the EEPROM image": image.read_bytes(),
                    "the admin's connections": bytes(admin_wire.captured),
                    "the device's connections": bytes(device_wire.captured),
                }
                for place, content in places.items():
                    self.assertGreater(len(content), 100, place)
                    self.assertEqual(MARKER in content, not sealed, place)

    # --- the application's own modules ---

    def test_a_driver_named_like_a_module_changes_nothing_for_the_application(self):
        hijack = write_driver("os", "HIJACKED = 1\ndef attach(board):\n    return board\ndef detach(x):\n    pass\n")
        hardware_id = "hat:Meadow%20Instruments:0666"
        self.server.delegate(hardware_id, "os")
        self.server.publish(hijack, hardware_id=hardware_id, name="os")
        board = self.motherboard()
        before = board.ask("modules")["answer"]
        board.plug(0, self.make_image(hardware_id))
        board.wait_event("loaded", slot=0)
        self.assertEqual(board.ask("modules")["answer"], before)
        self.assertEqual(board.ask("evaluate", expression="hasattr(__import__('os'), 'HIJACKED')"), {"answer": False})
        self.assertEqual(board.ask("evaluate", expression="hasattr(__import__('os'), 'listdir')"), {"answer": True})

    # --- resilience ---

    def test_the_server_restarts_with_its_state_and_the_agent_finds_it_again(self):
        self.publish_thermo()
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=21500)
        board.wait_event("loaded", slot=0)
        self.server.kill()
        board.wait_event("offline")
        self.assertEqual(board.call(0, "temperature"), 21500)
        self.server.start()
        synced = board.count("synced")
        board.wait_event("synced", count=synced + 1)
        self.assertIn("1.0.0", self.server.admin("release", "list").stdout)
        board.plug(1, self.image, sensor_mdeg=10000)
        board.wait_event("loaded", slot=1)

    def test_A14_without_a_server_a_cached_board_loads_after_a_restart_of_the_motherboard(self):
        self.publish_thermo()
        board = self.motherboard()
        board.plug(0, self.image, sensor_mdeg=21500)
        board.wait_event("loaded", slot=0)
        board.stop()
        self.server.kill()
        board.start()
        loaded = board.wait_event("loaded", slot=0)
        self.assertIn("thermo 1.0.0 (6.3-x64)", loaded["detail"])
        self.assertEqual(board.call(0, "temperature"), 21500)
        self.server.start()

    # --- the server refuses what a device would refuse ---

    def test_A38_publishing_again_is_success_other_content_a_conflict_and_an_older_number_too(self):
        self.publish_thermo()
        self.publish_thermo()
        other = write_driver("thermo", "def attach(board):\n    return 1\ndef detach(x):\n    pass\n")
        done = self.server.publish(other, check=False)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.server.publish(other, version="1.1.0", more=("--release", "7"))
        done = self.server.publish(other, version="1.2.0", more=("--release", "7"), check=False)
        self.assertEqual(done.returncode, 5, done.stderr)

    def test_A21_a_publisher_or_hardware_id_that_no_policy_entry_names_is_refused(self):
        stranger = self.server.new_publisher("stranger")
        done = self.server.publish(drivers["x64"], publisher=stranger, check=False)
        self.assertEqual(done.returncode, 6, done.stderr)
        done = self.server.publish(drivers["x64"], hardware_id="hat:Nobody:0001", check=False)
        self.assertEqual(done.returncode, 6, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
