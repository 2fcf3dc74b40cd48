"""Keys lost and stolen, and what the operator does then: the whole of it, on real MicroPython."""

import json
import shutil
import unittest

from support import HARDWARE_ID, VERIFICATION, Scene, live

VERSION_MAX = 2**32 - 1


class RootRotatedWhileAway(Scene):
    def test_A20_a_motherboard_that_was_away_for_three_roots_walks_them_one_by_one(self):
        # A motherboard learns the first root, loads a driver, and goes to sleep.
        self.server.delegate()
        self.publish("release one", "1.0.0")
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)
        board.stop()

        # Meanwhile the operator replaces the root key three times, each time by the key before.
        key = self.keys / "root.key"
        for number in (2, 3, 4):
            new = self.keygen("root", f"root-{number}")
            self.trust("rotate", "root", "--remove", f"{key}.pub", "--add", f"{new}.pub", "--key", key, "--key", new)
            key = new
        self.assertEqual(self.shown()["root_version"], 4)

        # The first key is worth nothing any more: not to the server ...
        refused = self.trust("rotate", "root", "--expires-days", "9", "--key", self.keys / "root.key", check=False)
        self.assertEqual(refused.returncode, VERIFICATION, refused.stderr)
        # ... and a root that skips a version, or that only the new key signed, is none (rotation_service_test.cpp and
        # verify_test.cpp show those).

        # The motherboard wakes, walks from version 1 to 4, and takes what the last root leads to.
        self.publish("release two", "1.1.0")
        board.start()
        board.wait_event("trust_changed")
        loaded = board.wait_event("loaded", slot=0)
        if "1.1.0" not in loaded["detail"]:
            loaded = board.wait_event("loaded", slot=0, count=2)
        self.assertIn("1.1.0", loaded["detail"])
        for version in (2, 3, 4):
            self.assertIn(b"GET /v1/device/root/%d" % version, self.wire.captured)


class OneOfThreeRootKeysLost(Scene):
    init = ("--root-keys", "3", "--root-threshold", "2")

    def test_A19_A20_two_of_three_root_keys_put_a_new_one_in_the_lost_ones_place(self):
        self.server.delegate()
        self.publish("release one", "1.0.0")
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)

        # One of the three is lost for good.
        lost, kept_1, kept_2 = (self.keys / f"root-{n}.key" for n in (1, 2, 3))
        lost.unlink()

        # One key alone changes nothing: k-1 root keys are no root.
        new = self.keygen("root", "root-4")
        change = ("rotate", "root", "--remove", f"{lost}.pub", "--add", f"{new}.pub")
        alone = self.trust(*change, "--key", kept_1, check=False)
        self.assertEqual(alone.returncode, VERIFICATION, alone.stderr)
        self.assertIn("lacks", alone.stderr)
        self.assertEqual(self.shown()["root_version"], 1)

        # Two of them do.
        self.trust(*change, "--key", kept_1, "--key", kept_2)
        shown = self.shown()
        self.assertEqual((shown["root_version"], shown["root"]["threshold"], len(shown["root"]["keys"])), (2, 2, 3))
        self.assertNotIn(lost.with_name(lost.name + ".pub").read_text().split()[1], shown["root"]["keys"])

        # The motherboard follows, and from now on the new key counts as the lost one did.
        board.wait_event("trust_changed")
        self.trust("rotate", "root", "--expires-days", "3650", "--key", kept_2, "--key", new)
        board.wait_event("trust_changed", count=2)
        self.publish("release two", "1.1.0")
        self.assertIn("1.1.0", board.wait_event("loaded", slot=0, count=2)["detail"])


class TargetsKeyStolen(Scene):
    def test_A11_A19_policy_of_a_thief_with_maximum_floors_and_version_ends_with_the_next_epoch(self):
        # Before: a policy, a release, a motherboard that runs it.
        self.server.delegate()
        self.publish("the honest driver", "1.0.0")
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)

        # A thief copies the targets key, and everything an operator's token can do is his, too.
        loot = self.folder / "loot"
        loot.mkdir()
        for file in ("targets.key", "targets.key.head"):
            shutil.copy(self.keys / file, loot)
        # He lets nothing run any more: the highest floor ...
        self.trust("floor", "--hardware", HARDWARE_ID, "--release", VERSION_MAX, "--key", loot / "targets.key")
        # ... under the highest version, so that no honest head can follow.
        self.sign_at_version_max(loot / "targets.key")
        self.assertEqual(self.shown()["head"]["version"], VERSION_MAX)

        # The motherboard follows, as it must: targets said so.
        board.wait_event("refused", slot=0)

        # The operator cannot sign on: the server's head is none of his, and he is told what was changed.
        key = self.keys / "targets.key"
        stopped = self.trust("delegate", "--hardware", HARDWARE_ID, "--name", "thermo", "--publisher",
                             f"{self.server.publisher}.pub", "--key", key, check=False)
        self.assertEqual(stopped.returncode, VERIFICATION)
        self.assertIn(HARDWARE_ID, stopped.stderr)
        self.assertIn(str(VERSION_MAX), stopped.stderr)
        # Accepting it as a base would not help either.
        at_end = self.trust("floor", "--hardware", HARDWARE_ID, "--release", VERSION_MAX, "--key", key,
                            "--base-version", VERSION_MAX, check=False)
        at_end = self.trust("renew", "--key", key, "--base-version", VERSION_MAX, check=False)
        self.assertNotEqual(at_end.returncode, 0)
        self.assertIn("new epoch", at_end.stderr)

        # Root ends the thief's epoch and names a new targets key.
        new = self.keygen("targets", "targets-2")
        self.trust("rotate", "targets", "--remove", f"{key}.pub", "--add", f"{new}.pub", "--key", self.keys / "root.key")
        # Until there is a policy of the new epoch, nothing new is delegated.
        self.assertIsNone(self.shown()["head"])
        # The policy comes back from what the operator kept beside the old key; the thief's heads are not in it.
        restored = self.trust("restore", "--base", f"{key}.head", "--key", new)
        self.assertIn("floor release", restored.stderr)  # shown: what the thief's policy said and no longer says
        shown = self.shown()
        self.assertEqual((shown["epoch"], shown["head"]["version"]), (2, 1))
        self.assertEqual(shown["entries"][0]["floor_release"], 0)

        # The motherboard comes back by itself: version 1 of epoch 2 is above everything of epoch 1.
        board.wait_event("loaded", slot=0, count=2)
        # The stolen key signs nothing any more.
        over = self.trust("floor", "--hardware", HARDWARE_ID, "--release", 5, "--key", loot / "targets.key", check=False)
        self.assertEqual(over.returncode, VERIFICATION)
        self.assertIn("not a targets key", over.stderr)

    def sign_at_version_max(self, key):
        """The thief bends his own tool: what he keeps beside the key says that he signed the last but one."""
        kept = key.with_name(key.name + ".head")
        document = json.loads(kept.read_text())
        document["head"] = forge_version(document["head"], VERSION_MAX - 1)
        kept.write_text(json.dumps(document))
        base = self.folder / "thief.mpyd"
        self.server.admin("trust", "export", "--root", self.server.root, "--out", base)
        bundle = json.loads(base.read_text())
        # A head of his own making: his key signs whatever version he likes.
        draft = self.folder / "thief-draft.mpyd"
        kept.unlink()
        self.sign_off_line("renew", base, draft, key)
        drafted = json.loads(draft.read_text())
        drafted["draft"]["head"] = forge_version(drafted["draft"]["head"], VERSION_MAX - 1)
        draft.write_text(json.dumps(drafted).replace('{"mpyd": "trust"', '{"mpyd":"trust"', 1))
        kept.unlink(missing_ok=True)
        live.mpyd("trust", "sign", draft, "--key", key, "--root", self.server.root, "--yes")
        self.server.admin("trust", "import", draft)
        self.assertTrue(bundle["roots"])
        # His tool refuses to sign the last version of a draft, but the one after the last but one is it.
        self.trust("renew", "--key", key)

    def sign_off_line(self, what, base, out, key):
        live.mpyd("trust", what, "--base", base, "--out", out, "--key", key, "--root", self.server.root, "--yes")


class ServerKeyStolen(Scene):
    def test_A19_a_stolen_server_key_is_replaced_and_what_was_published_stays_loadable(self):
        # Before: a release, a motherboard that runs it, and another that will be plugged later.
        self.server.delegate()
        first = self.publish("release one", "1.0.0")["packages"][0]["digest"]
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)

        # A thief copies the whole data directory: the database and the server's key.
        self.server.stop()
        thiefs = self.folder / "thief" / "server"
        shutil.copytree(self.server.data, thiefs)
        self.server.start()

        # The server makes a new key, root names it, and all content keys are sealed anew.
        before = self.shown()["server_key"]
        done = self.trust("rotate", "server", "--key", self.keys / "root.key")
        self.assertIn(before, done.stderr)
        after = self.shown()
        self.assertNotEqual(after["server_key"], before)
        self.assertEqual(after["root_version"], 2)
        self.assertFalse((self.server.data / "server.key.next").exists())

        # The motherboard is told KEY_RETIRED, walks root, and goes on.
        board.wait_event("trust_changed")
        self.wait_synced(board)
        # What was published before keeps its digest and loads on a motherboard that never saw it ...
        self.assertEqual(self.digests("1.0.0"), [first])
        fresh = self.motherboard()
        fresh.plug(0, self.image)
        self.assertIn("1.0.0", fresh.wait_event("loaded", slot=0)["detail"])
        # ... also after a restart, which finds the new key in its place.
        self.server.stop()
        self.server.start()
        self.publish("release two", "1.1.0")
        self.assertIn("1.1.0", fresh.wait_event("loaded", slot=0, count=2)["detail"])
        self.assertIn("1.1.0", board.wait_event("loaded", slot=0, count=2)["detail"])

        # The thief puts up a server with the old key, and gets the devices' traffic.
        thief = live.Server.__new__(live.Server)
        thief.data, thief.keys, thief.process, thief.ports = thiefs, self.keys, None, None
        thief.root, thief.token_file = self.server.root, self.server.token_file
        thief.start()
        self.addCleanup(thief.stop)
        self.wire.target_port = thief.port
        synced = board.count("synced")
        board.wait_event("offline", count=board.count("offline") + 1)
        tries = self.wire.captured.count(b"POST /v1/device/sync")
        live.wait_for("further tries", lambda: self.wire.captured.count(b"POST /v1/device/sync") >= tries + 3)
        # Whoever walked to the new root never speaks to the old key again: he learns nothing and says nothing.
        self.assertEqual(board.count("synced"), synced)
        self.assertEqual(board.ask("slots")["answer"][0]["state"], "running")
        # Back at the right server, all is well.
        self.wire.target_port = self.server.port
        self.wait_synced(board)

    def digests(self, version):
        releases = json.loads(self.server.admin("release", "list", "--json").stdout)["releases"]
        return [v["digest"] for r in releases if r["version"] == version for v in r["variants"]]


class PublisherKeyStolen(Scene):
    def test_A21_a_revoked_publisher_key_signs_nothing_that_a_server_takes_or_a_motherboard_loads(self):
        self.server.delegate()
        self.publish("the honest driver", "1.0.0")
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)

        # A thief has the publisher's key. While nobody knows, his release counts as the publisher's.
        stolen = self.server.publisher
        # The publisher notices, makes a new key, and the operator lets it sign in the old one's place.
        new = self.server.new_publisher("publisher-2")
        self.server.delegate(publisher=new)
        self.trust("revoke", "--publisher", f"{stolen}.pub", "--key", self.keys / "targets.key")
        self.assertEqual(len(self.shown()["head"]["revoked_keys"]), 1)

        # What the stolen key signed is no longer loaded, not even what was honest: nobody can tell any more.
        board.wait_event("refused", slot=0)

        # The thief's release is refused by the server ...
        evil = self.driver("the thief's driver")
        refused = self.server.publish(evil, version="9.9.9", publisher=stolen, check=False)
        self.assertEqual(refused.returncode, VERIFICATION, refused.stderr)
        # ... and by the motherboard, when he writes it onto a board's EEPROM instead.
        packed = self.folder / "packed"
        packed.mkdir()
        live.mpyd("pack", evil, "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", "9.9.9", "--release", 99,
                  "--key", stolen, "--root", self.server.root, "--out-dir", packed, "--public")
        image = self.folder / "evil.eep"
        live.mpyd("eeprom", "build", "--hardware-id", HARDWARE_ID, "--package", next(packed.glob("*.mpkg")), "--out", image)
        board.plug(1, image)
        board.wait_event("refused", slot=1)
        self.wait_synced(board)
        self.assertNotIn("the thief's driver", self.said(board))

        # The honest publisher signs with his new key, and both boards run that.
        self.publish("the honest driver, signed anew", "1.0.1", publisher=new)
        self.assertIn("1.0.1", board.wait_event("loaded", slot=0, count=2)["detail"])
        board.wait_event("loaded", slot=1)
        self.assertNotIn("the thief's driver", self.said(board))
        # The revoked key can never be delegated to again.
        again = self.trust("delegate", "--hardware", HARDWARE_ID, "--name", "thermo", "--publisher", f"{stolen}.pub",
                           "--key", self.keys / "targets.key", check=False)
        self.assertEqual(again.returncode, VERIFICATION)
        self.assertIn("was revoked", again.stderr)


def forge_version(head_base64, version):
    """The head with another version and without signatures: what its key holder may sign, if he wants to."""
    import base64

    document = base64.b64decode(head_base64)
    body = fields(document)[0][1]
    out = b""
    for number, value in fields(body):
        out += field(number, version if number == 4 else value)
    return base64.b64encode(field(1, out)).decode()


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """The fields of a protobuf message that holds varints and bytes only."""
    out, at = [], 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        else:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        out.append((key >> 3, value))
    return out


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


if __name__ == "__main__":
    unittest.main()
