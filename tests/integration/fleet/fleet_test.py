"""Whole fleets of the real agent core against one real daemon: enrolment by one file, its limits, revocation."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

FLEET = pathlib.Path(os.environ.get("MPYD_FLEET", live.BUILD / "dev/tests/mpyd-fleet"))
COUNT = int(os.environ.get("MPYD_FLEET_COUNT", "1000"))
# `def attach(board): return board`, by mpy-cross.
BYTECODE = bytes.fromhex("4d06001f040008642e7079000f0c617474616368000a626f617264004c00020132001602516301380906020320b063")


class Fleet:
    """A running mpyd-fleet."""

    def __init__(self, identity, devices, boards, timeout_s=60):
        arguments = [FLEET, "--identity", identity, "--devices", str(devices), "--timeout", str(timeout_s)]
        for board in boards:
            arguments += ["--board", board]
        self.process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def result(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"mpyd-fleet ended with {self.process.wait()}")
        return json.loads(line)

    def do(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.result()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)


class FleetCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = live.temporary_folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.server = live.Server(cls.folder).start()
        cls.addClassCleanup(cls.server.stop)
        driver = cls.folder / "thermo.mpy"
        driver.write_bytes(BYTECODE)
        cls.server.delegate()
        cls.server.publish(driver)
        cls.board = cls.folder / "thermo.eep"
        live.mpyd("eeprom", "build", "--hardware-id", live.HARDWARE_ID, "--revision", "3", "--out", cls.board)

    def fleet_file(self, name, *more):
        out = self.folder / f"{name}.mpyd"
        said = self.server.admin("--json", "device", "provision", "--fleet", "--name", name, "--out", out, "--root", self.server.root,
                                 "--device-server", f"127.0.0.1:{self.server.port}", *more)
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)
        self.assertNotIn("token", json.loads(said.stdout))
        return out

    def start(self, *args, **kwargs):
        fleet = Fleet(*args, **kwargs)
        self.addCleanup(fleet.close)
        return fleet, fleet.result()

    def devices(self, *more):
        return json.loads(self.server.admin("--json", "device", "list", *more).stdout)["devices"]


class WholeFleet(FleetCase):
    def test_A38_a_fleet_file_enrols_so_many_and_A21_a_revoked_one_gets_nothing_more(self):
        fleet, first = self.start(self.fleet_file("line", "--uses", COUNT, "--expires", "1d"), COUNT, [self.board])
        self.assertTrue(first["settled"], first["states"])
        self.assertEqual(first["states"], {"ok": COUNT})
        self.assertEqual(first["running"], COUNT)
        self.assertEqual(len({device["id"] for device in first["devices"]}), COUNT, "each made its own key")
        seconds = first["elapsed_ms"] / 1000
        print(f"{COUNT} devices enrolled, synced and loaded in {seconds:.1f} s: {COUNT / seconds:.0f} per second; "
              f"first sync {first['synced_ms']}, loaded {first['settled_ms']} ms", file=sys.stderr)

        # One more than the token is good for: nothing for it, nothing of it on record.
        more = fleet.do("add 1")
        last = more["devices"][-1]
        self.assertEqual((last["state"], last["running"]), ("unknown_device", 0))
        self.assertEqual(more["states"], {"ok": COUNT, "unknown_device": 1})
        known = self.devices()
        self.assertEqual(len(known), COUNT)
        self.assertNotIn(last["id"], {device["id"] for device in known})
        token = next(t for t in json.loads(self.server.admin("--json", "token", "list").stdout)["tokens"] if t["name"] == "line")
        self.assertEqual((token["uses"], token["uses_max"]), (COUNT, COUNT))

        # Revoked, it hears so at its next sync, and what it had in its cache runs no more.
        victim = first["devices"][COUNT // 2]["id"]
        self.server.admin("device", "revoke", victim)
        again = fleet.do("boot")
        by_id = {device["id"]: device for device in again["devices"]}
        self.assertEqual((by_id[victim]["state"], by_id[victim]["running"]), ("revoked", 0))
        self.assertEqual(again["states"], {"ok": COUNT - 1, "revoked": 1, "unknown_device": 1})
        self.assertEqual(again["running"], COUNT - 1)
        seconds = again["elapsed_ms"] / 1000
        print(f"after a restart, synced and loaded from their caches in {seconds:.1f} s: {COUNT / seconds:.0f} per second", file=sys.stderr)
        once_more = fleet.do("boot")
        by_id = {device["id"]: device for device in once_more["devices"]}
        self.assertEqual((by_id[victim]["state"], by_id[victim]["running"]), ("revoked", 0))


class Approval(FleetCase):
    def test_devices_wait_until_the_operator_approves_them(self):
        fleet, first = self.start(self.fleet_file("ward", "--uses", 5, "--approve"), 3, [self.board])
        self.assertEqual(first["states"], {"not_approved": 3})
        self.assertEqual(first["running"], 0)
        waiting = self.devices("--waiting")
        self.assertEqual({device["state"] for device in waiting}, {"waiting"})
        self.assertEqual({device["token_name"] for device in waiting}, {"ward"})
        ids = sorted(device["id"] for device in first["devices"])
        self.assertEqual(ids, sorted(device["id"] for device in waiting))
        self.server.admin("device", "approve", ids[0])
        self.server.admin("device", "revoke", ids[1])
        second = fleet.do("boot")
        states = {device["id"]: device["state"] for device in second["devices"]}
        self.assertEqual([states[i] for i in ids], ["ok", "revoked", "not_approved"])
        self.server.admin("device", "approve", "--all", "--yes")
        self.assertEqual(fleet.do("boot")["states"], {"ok": 2, "revoked": 1})
        self.assertEqual(self.devices("--waiting"), [])

    def test_a_new_motherboard_takes_a_dead_ones_place(self):
        old, said = self.start(self.fleet_file("spare", "--uses", 2), 2, [self.board])
        dead, new = (device["id"] for device in said["devices"])
        self.server.admin("device", "replace", dead, new)
        states = {device["id"]: device["state"] for device in old.do("boot")["devices"]}
        self.assertEqual((states[dead], states[new]), ("revoked", "ok"))
        actions = [row["action"] for row in json.loads(self.server.admin("--json", "audit", "--limit", 1000).stdout)["events"]]
        self.assertIn("device-replaced", actions)
        self.assertIn("device-take-over", actions)


class Keys(FleetCase):
    def test_a_fleet_key_opens_what_the_server_cannot_and_old_boards_go_on_after_its_rotation(self):
        server, folder = self.server, self.folder
        fleet_pub = folder / "fleet.pub"
        server.admin("trust", "fleet-key", "--out", fleet_pub)
        first_key = fleet_pub.read_text()
        self.assertTrue(first_key.startswith("mpyd-fleet "))
        # The vendor seals to the fleet alone: this server is given nothing it could open.
        hardware = "hat:Meadow%20Instruments:0043"
        driver = folder / "relay.mpy"
        driver.write_bytes(BYTECODE)
        live.mpyd("pack", driver, "--hardware-id", hardware, "--name", "relay", "--version", "1.0.0", "--release", "1",
                  "--key", server.publisher, "--seal-to", fleet_pub, "--out-dir", folder)
        package = folder / "relay-1.0.0-6-any.mpkg"
        server.delegate(hardware, "relay")
        publish = lambda *more: server.admin("publish", package, "--root", server.root, *more, check=False)  # noqa: E731
        self.assertIn("not sealed to this server", publish().stderr)
        self.assertIn("--unchecked-packages", publish("--unchecked").stderr)
        server.admin("trust", "delegate", "--hardware-id", hardware, "--name", "relay", "--publisher", f"{server.publisher}.pub",
                     "--unchecked-packages", "--key", server.keys / "targets.key", "--root", server.root, "--yes")
        self.assertEqual(publish("--unchecked").returncode, 0)
        self.assertIn("unchecked", server.admin("release", "list", "--name", "relay").stdout)
        explained = json.loads(server.admin("--json", "explain", "--abi", "6.3-armv7m", "--hardware-id", hardware).stdout)
        self.assertTrue(explained["chosen"]["unchecked"])
        board = folder / "relay.eep"
        live.mpyd("eeprom", "build", "--hardware-id", hardware, "--package", package, "--out", board)
        fleet, said = self.start(self.fleet_file("shop", "--uses", 4), 2, [board])
        self.assertEqual((said["states"], said["running"]), ({"ok": 2}, 2))
        # A new key for new boards; boards made before go on, on motherboards that come later too.
        server.admin("trust", "rotate", "fleet", "--out", fleet_pub)
        self.assertNotEqual(fleet_pub.read_text(), first_key)
        said = fleet.do("boot")
        self.assertEqual((said["states"], said["running"]), ({"ok": 2}, 2))
        said = fleet.do("add 2")
        self.assertEqual((said["states"], said["running"]), ({"ok": 4}, 4))


if __name__ == "__main__":
    unittest.main(verbosity=2)
