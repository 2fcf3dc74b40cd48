"""Keys that are never on line: export, a change with --base and --out, signatures on several machines, import."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import time
import unittest

from support import HARDWARE_ID, VERIFICATION, Scene, live

FAILED, USAGE, NOT_AUTHORISED, NOT_FOUND, CONFLICT = 1, 2, 3, 4, 5


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def head_over(root, epoch, version, expires):
    """An unsigned head over one entry, as anybody can write it: no key is needed."""
    body = b"".join(varint(number << 3) + varint(value) for number, value in
                    ((1, 1), (2, 1), (3, epoch), (4, version), (5, expires)))
    body += varint(7 << 3 | 2) + varint(len(root)) + root + varint(8 << 3) + varint(1)
    return base64.b64encode(b"\x0a" + varint(len(body)) + body).decode()


class OfflineSigning(Scene):
    init = ("--root-keys", "3", "--root-threshold", "2")

    def setUp(self):
        super().setUp()
        self.key = self.keys / "targets.key"
        self.server.delegate()

    def offline(self, *arguments, check=True):
        """On a machine that has no server."""
        return live.mpyd("trust", *arguments, "--root", self.server.root, "--yes", check=check)

    def export(self):
        out = self.folder / "trust.mpyd"
        self.server.admin("trust", "export", "--root", self.server.root, "--out", out, "--key", self.key)
        return out

    def inspect(self, file):
        return json.loads(live.mpyd("inspect", file, "--json").stdout)

    def two_targets_keys(self):
        """A policy that needs both of two keys; returns the second."""
        second = self.keygen("targets", "targets-2")
        self.trust("rotate", "targets", "--add", f"{second}.pub", "--threshold", 2, "--key", self.keys / "root-1.key",
                   "--key", self.keys / "root-3.key")
        self.trust("restore", "--from-server", "--key", self.key, "--key", second)
        return second

    def test_a_change_is_made_signed_and_sent_on_three_machines(self):
        base, draft = self.export(), self.folder / "floor.mpyd"
        self.offline("floor", "--hardware", HARDWARE_ID, "--release", 4, "--key", self.key, "--base", base, "--out", draft)
        self.assertEqual(self.inspect(draft)["draft"]["version"], 2)
        self.assertEqual(self.shown()["head"]["version"], 1)
        self.server.admin("trust", "import", draft)
        self.assertEqual(self.shown()["entries"][0]["floor_release"], 4)
        self.server.admin("trust", "import", draft)  # again is a success

    def test_every_change_of_policy_works_off_line_and_one_on_top_of_the_other(self):
        base = self.export()
        steps = (("delegate", "--hardware", "hat:b:0001", "--name", "relays", "--publisher", f"{self.server.publisher}.pub"),
                 ("approve", "--hardware", "hat:b:0001", "--only", "--digest", "cd" * 32),
                 ("revoke", "--hardware", "hat:b:0001", "--digest", "ef" * 32),
                 ("floor", "--hardware", "hat:b:0001", "--release", 2))
        for number, step in enumerate(steps):
            out = self.folder / f"step-{number}.mpyd"
            self.offline(*step, "--key", self.key, "--base", base, "--out", out)
            base = out
        self.server.admin("trust", "import", base)
        entry = self.shown()["entries"][1]
        self.assertEqual((entry["floor_release"], entry["mode"]), (2, "approved_only"))

    def test_two_of_two_targets_keys_sign_on_two_machines_each_shown_what_changes(self):
        second = self.two_targets_keys()
        base, draft = self.export(), self.folder / "draft.mpyd"
        first = self.offline("floor", "--hardware", HARDWARE_ID, "--release", 6, "--key", self.key, "--base", base, "--out", draft)
        self.assertIn("1 of 2 signatures", first.stdout)
        half = self.server.admin("trust", "import", draft, check=False)
        self.assertEqual(half.returncode, VERIFICATION)
        signed = live.mpyd("trust", "sign", draft, "--key", second, "--root", self.server.root, "--yes")
        self.assertIn("- floor release 0", signed.stderr)
        self.assertIn("+ floor release 6", signed.stderr)
        self.assertIn("2 of 2 signatures", signed.stdout)
        self.server.admin("trust", "import", draft)
        self.assertEqual(self.shown()["entries"][0]["floor_release"], 6)

    def test_A08_a_second_draft_of_a_version_already_signed_is_refused_and_named(self):
        second = self.two_targets_keys()
        base, draft, other = self.export(), self.folder / "draft.mpyd", self.folder / "other.mpyd"
        self.offline("floor", "--hardware", HARDWARE_ID, "--release", 6, "--key", self.key, "--base", base, "--out", draft)
        self.offline("sign", draft, "--key", second)
        self.key.with_name("targets.key.head").unlink()
        self.offline("floor", "--hardware", HARDWARE_ID, "--release", 5, "--key", self.key, "--base", base, "--out", other)
        refused = self.offline("sign", other, "--key", second, check=False)
        self.assertEqual(refused.returncode, VERIFICATION)
        self.assertIn(f"{HARDWARE_ID} went back to floor release 5 from 6", refused.stderr)

    def test_an_older_base_is_refused_and_a_draft_given_up_is_said(self):
        base = self.export()
        self.trust("floor", "--hardware", HARDWARE_ID, "--release", 3, "--key", self.key)
        self.trust("floor", "--hardware", HARDWARE_ID, "--release", 5, "--key", self.key)
        refused = self.offline("floor", "--hardware", HARDWARE_ID, "--release", 9, "--key", self.key, "--base", base,
                               "--out", self.folder / "no.mpyd", check=False)
        self.assertEqual(refused.returncode, VERIFICATION)
        self.assertIn("went back to floor release 0 from 5", refused.stderr)
        self.assertFalse((self.folder / "no.mpyd").exists())

    def forged(self, base, epoch=1, version=2, days=100):
        """A draft over the entries in force, with a head of the forger's choice."""
        document = json.loads(base.read_text())
        root = hashlib.sha256(b"\0" + base64.b64decode(document["entries"][0])).digest()
        document["draft"] = {"head": head_over(root, epoch, version, int(time.time()) + days * 86400),
                             "entries": document["entries"]}
        out = self.folder / "forged.mpyd"
        out.write_text(json.dumps(document).replace('{"mpyd": "trust"', '{"mpyd":"trust"', 1))
        return out

    def test_a_draft_of_an_epoch_that_ended_is_refused_and_what_is_kept_stays(self):
        old = self.export()
        self.trust("rotate", "targets", "--key", self.keys / "root-1.key", "--key", self.keys / "root-2.key")
        self.trust("restore", "--from-server", "--key", self.key)
        kept = self.key.with_name("targets.key.head").read_bytes()
        refused = self.offline("sign", self.forged(old, version=9), "--key", self.key, check=False)
        self.assertEqual(refused.returncode, VERIFICATION)
        self.assertIn("signed version 1 of epoch 2", refused.stderr)
        self.assertNotIn("nothing is kept", refused.stderr)
        self.assertEqual(self.key.with_name("targets.key.head").read_bytes(), kept)

    def test_that_nothing_is_kept_is_said_only_when_nothing_is(self):
        of_epoch_1 = self.key.with_name("targets.key.head").read_bytes()
        self.trust("rotate", "targets", "--key", self.keys / "root-1.key", "--key", self.keys / "root-2.key")
        document = self.folder / "new.mpyd"
        self.server.admin("trust", "export", "--root", self.server.root, "--out", document)
        draft = self.folder / "draft.mpyd"
        self.offline("delegate", "--hardware", HARDWARE_ID, "--name", "thermo", "--publisher",
                     f"{self.server.publisher}.pub", "--base", document, "--out", draft, "--key", self.key)
        kept = self.key.with_name("targets.key.head")
        kept.write_bytes(of_epoch_1)
        said = self.offline("sign", draft, "--key", self.key).stderr
        self.assertIn("signed last version 1 of epoch 1, whose epoch ended", said)
        self.assertNotIn("nothing is kept", said)
        kept.unlink()
        self.assertIn("nothing is kept", self.offline("sign", draft, "--key", self.key).stderr)

    def test_a_draft_of_the_last_version_is_neither_signed_nor_sent(self):
        draft = self.forged(self.export(), version=2**32 - 1)
        for done in (self.offline("sign", draft, "--key", self.key, check=False),
                     self.server.admin("trust", "import", draft, check=False)):
            self.assertEqual(done.returncode, VERIFICATION, done.stderr)
            self.assertIn("nothing could ever follow it", done.stderr)
        self.assertEqual(self.shown()["head"]["version"], 1)

    def test_a_draft_that_leaps_or_runs_too_long_is_warned_of_before_the_question(self):
        base = self.export()
        plain = self.offline("sign", self.forged(base), "--key", self.key)
        self.assertNotIn("WARNING", plain.stderr)
        self.key.with_name("targets.key.head").unlink()
        draft = self.forged(base, version=7, days=4000)
        done = subprocess.run([live.MPYD, "trust", "sign", draft, "--key", self.key, "--root", self.server.root],
                              input="n\n", capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, CONFLICT)
        self.assertLess(done.stderr.index("leaps from targets head version 1 to 7"), done.stderr.index("[y/N]"))
        self.assertLess(done.stderr.index("later than any"), done.stderr.index("[y/N]"))
        self.assertIn("not confirmed; nothing was signed", done.stderr)
        self.assertNotIn("--yes", done.stderr)
        self.offline("sign", draft, "--key", self.key)
        sent = self.server.admin("trust", "import", draft)
        self.assertIn("leaps from targets head version 1 to 7", sent.stderr)

    def test_a_package_of_an_older_root_is_named_as_such_and_packed_again_into_a_new_folder(self):
        def pack(root, folder):
            live.mpyd("pack", self.driver("hello"), "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", "1.0.0",
                      "--release", "1", "--key", self.server.publisher, "--root", root, "--out-dir", folder)
            return next(folder.iterdir())

        old = pack(self.server.root, self.folder / "made" / "for-it")
        self.trust("rotate", "server", "--key", self.keys / "root-1.key", "--key", self.keys / "root-2.key")
        refused = self.server.admin("publish", old, "--root", self.server.root, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("packed with an older root, version 1", refused.stderr)
        self.assertIn("--newest-root", refused.stderr)
        newest = self.folder / "newest.mpyd"
        self.server.admin("trust", "export", "--root", self.server.root, "--newest-root", newest)
        self.server.admin("publish", pack(newest, self.folder / "again"), "--root", self.server.root)

    def test_inspect_knows_identities_and_fleet_files_and_tells_no_secret(self):
        identity = self.server.provision("kitchen", self.folder / "identity")
        fleet = self.folder / "fleet.id"
        self.server.admin("device", "provision", "--fleet", "--uses", 2, "--out", fleet, "--device-server",
                          "localhost:4444", "--root", self.server.root)
        for file, kind, own_key in ((identity, "identity", True), (fleet, "fleet", False)):
            done = live.mpyd("inspect", file, "--json")
            said = json.loads(done.stdout)
            self.assertEqual((said["kind"], said["format"], said["own_key"]), (kind, 1, own_key))
            self.assertEqual(said["fingerprint"], self.inspect(self.server.root)["fingerprint"])
            self.assertNotIn("mpyd_", done.stdout + live.mpyd("inspect", file).stdout)
        self.assertEqual(json.loads(live.mpyd("inspect", fleet, "--json").stdout)["server"], "localhost:4444")

    def test_a_threshold_of_all_root_keys_is_warned_of(self):
        arguments = ("--key", self.keys / "root-1.key", "--key", self.keys / "root-2.key", "--key", self.keys / "root-3.key")
        self.assertIn("one of them is lost", self.trust("rotate", "root", "--threshold", 3, *arguments).stderr)
        self.assertNotIn("WARNING", self.trust("rotate", "root", "--threshold", 2, *arguments).stderr)

    def test_a_root_is_signed_on_three_machines_and_the_server_key_changes_with_it(self):
        # On line, without any root key: the server makes its next key, and the draft names it.
        draft = self.folder / "root.mpyd"
        before = self.shown()["server_key"]
        self.trust("rotate", "server", "--out", draft)
        self.assertEqual(self.inspect(draft)["draft"], {"kind": "root", "signatures": 0})
        # Two holders sign, each shown the change.
        for number in (1, 2):
            signed = live.mpyd("trust", "sign", draft, "--key", self.keys / f"root-{number}.key", "--root",
                               self.server.root, "--yes")
            self.assertIn(f"- server key {before}", signed.stderr)
        # One more signature than enough does no harm (A04).
        live.mpyd("trust", "sign", draft, "--key", self.keys / "root-3.key", "--root", self.server.root, "--yes")
        self.server.admin("trust", "import", draft)
        self.assertNotEqual(self.shown()["server_key"], before)

    def test_A03_signatures_short_of_either_threshold_are_no_root(self):
        draft = self.folder / "root.mpyd"
        self.trust("rotate", "root", "--expires-days", 100, "--key", self.keys / "root-1.key", "--out", draft)
        refused = self.server.admin("trust", "import", draft, check=False)
        self.assertEqual(refused.returncode, VERIFICATION)
        # The same key a second time is still one key.
        again = live.mpyd("trust", "sign", draft, "--key", self.keys / "root-1.key", "--root", self.server.root, "--yes")
        self.assertIn("lacks 1", again.stdout)
        self.assertEqual(self.shown()["root_version"], 1)

    def test_a_root_key_never_signs_two_roots_of_one_version(self):
        draft = self.folder / "root.mpyd"
        self.trust("rotate", "root", "--expires-days", 100, "--key", self.keys / "root-1.key", "--out", draft)
        refused = self.trust("rotate", "root", "--expires-days", 200, "--key", self.keys / "root-1.key", "--out", draft,
                             check=False)
        self.assertEqual(refused.returncode, VERIFICATION)
        self.assertIn("signed another root of version 2", refused.stderr)

    def test_a_root_that_names_a_key_the_server_does_not_have_is_refused_with_what_to_do(self):
        refused = self.trust("rotate", "server", "--server-key", "22" * 32, "--key", self.keys / "root-1.key", "--key",
                             self.keys / "root-2.key", check=False)
        self.assertEqual(refused.returncode, USAGE, refused.stderr)
        self.assertIn("mpyd trust rotate server", refused.stderr)
        self.assertEqual(self.shown()["root_version"], 1)

    def test_the_next_server_key_stays_the_same_until_a_root_names_it(self):
        said = [self.trust("rotate", "server", "--out", self.folder / f"{n}.mpyd").stdout for n in (1, 2)]
        keys = [line for text in said for line in text.splitlines() if line.startswith("server key")]
        self.assertEqual(len(set(keys)), 1)
        self.assertEqual(os.stat(self.server.data / "server.key.next").st_mode & 0o777, 0o600)

    def test_a_crash_before_the_new_keys_file_is_in_place_is_mended_at_start(self):
        # As if the machine had stopped between the commit and the rename.
        old = (self.server.data / "server.key").read_bytes()
        self.trust("rotate", "server", "--out", self.folder / "draft.mpyd")
        new = (self.server.data / "server.key.next").read_bytes()
        for number in (1, 2):
            live.mpyd("trust", "sign", self.folder / "draft.mpyd", "--key", self.keys / f"root-{number}.key", "--root",
                      self.server.root, "--yes")
        self.server.admin("trust", "import", self.folder / "draft.mpyd")
        self.server.kill()
        (self.server.data / "server.key").write_bytes(old)
        (self.server.data / "server.key.next").write_bytes(new)
        os.chmod(self.server.data / "server.key.next", 0o600)
        self.server.start()
        self.assertEqual((self.server.data / "server.key").read_bytes(), new)
        self.assertFalse((self.server.data / "server.key.next").exists())

    def test_files_that_are_damaged_newer_or_something_else_are_said_to_be(self):
        base = self.export()
        for name, text, code, saying in (
                ("damaged", base.read_text()[:-40], VERIFICATION, "damaged"),
                ("newer", base.read_text().replace('"format":1', '"format":9'), VERIFICATION, "format 9"),
                ("other", '{"some":"json"}', VERIFICATION, "no file of trust documents")):
            with self.subTest(name):
                file = self.folder / name
                file.write_text(text)
                done = self.offline("renew", "--key", self.key, "--base", file, "--out", self.folder / "x", check=False)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(saying, done.stderr)
        nothing = self.server.admin("trust", "import", base, check=False)
        self.assertIn("no draft", nothing.stderr)

    def test_key_files_open_to_others_are_refused_and_keygen_leaves_no_orphan(self):
        os.chmod(self.key, 0o640)
        done = self.trust("renew", "--key", self.key, check=False)
        self.assertEqual(done.returncode, NOT_AUTHORISED)
        self.assertIn("chmod 600", done.stderr)
        orphan = self.folder / "new.key"
        (self.folder / "new.key.pub").write_text("somebody's\n")
        done = live.mpyd("keygen", "--role", "targets", "--out", orphan, check=False)
        self.assertEqual(done.returncode, CONFLICT)
        self.assertFalse(orphan.exists())

    def test_a_passphrase_protects_every_signature(self):
        phrase = self.folder / "phrase"
        phrase.write_text("correct horse\n")
        phrase.chmod(0o600)
        protected = self.folder / "protected.key"
        live.mpyd("keygen", "--role", "targets", "--out", protected, "--passphrase-file", phrase)
        self.trust("rotate", "targets", "--add", f"{protected}.pub", "--remove", f"{self.key}.pub", "--key",
                   self.keys / "root-1.key", "--key", self.keys / "root-2.key")
        without = self.trust("restore", "--from-server", "--key", protected, check=False)
        self.assertNotEqual(without.returncode, 0)
        self.trust("restore", "--from-server", "--key", protected, "--passphrase-file", phrase)
        self.assertEqual(self.shown()["head"]["version"], 1)


if __name__ == "__main__":
    unittest.main()
