"""Commands that talk to a server: trust, publish, release, token, device, explain, audit."""

import json
import os
import shutil
import subprocess
import unittest

from support import (CONFLICT, FAILED, HARDWARE_ID, NOT_AUTHORISED, NOT_FOUND, USAGE, VERIFICATION, CliTest, driver, live)


class ServerTest(CliTest):
    def setUp(self):
        super().setUp()
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)

    def admin(self, *args):
        return self.server.admin(*args)

    def admin_json(self, *args):
        return self.run_json(*args, "--server", self.server.url, token_file=self.server.token_file)

    def admin_fails(self, code, *args, **kwargs):
        return self.run_fails(code, *args, "--server", self.server.url, token_file=self.server.token_file, **kwargs)

    def delegate_arguments(self, hardware_id=HARDWARE_ID, *more):
        return ("trust", "delegate", "--hardware-id", hardware_id, "--name", "thermo", "--publisher",
                f"{self.server.publisher}.pub", "--key", self.server.keys / "targets.key", "--root", self.server.root,
                *more)

    def publish_arguments(self, *files, version="1.0.0", more=()):
        return ("publish", *files, "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", version, "--key",
                self.server.publisher, "--root", self.server.root, *more)


class Trust(ServerTest):
    def show(self):
        return self.admin_json("trust", "show", "--root", self.server.root)

    def test_a_delegation_is_shown_confirmed_signed_and_in_force(self):
        self.assertIsNone(self.show()["head"])
        done = self.admin(*self.delegate_arguments(), "--yes")
        self.assertIn(f"new: {HARDWARE_ID}", done.stderr)
        shown = self.show()
        self.assertEqual(shown["head"]["version"], 1)
        self.assertEqual([e["hardware_id"] for e in shown["entries"]], [HARDWARE_ID])
        again = self.admin_json(*self.delegate_arguments(), "--yes")
        self.assertFalse(again["changed"])
        changed = self.admin(*self.delegate_arguments(HARDWARE_ID, "--floor", 3, "--no-eeprom"), "--yes")
        self.assertIn("+ floor release 3", changed.stderr)
        self.assertEqual(self.show()["entries"][0]["floor_release"], 3)
        self.assertEqual(self.show()["head"]["version"], 2)

    def test_what_a_delegation_does_not_name_stays_as_it_was(self):
        second = self.folder / "second.key"
        self.run_ok("keygen", "--role", "publisher", "--out", second)
        both = ("--publisher", f"{second}.pub", "--yes")
        self.admin(*self.delegate_arguments(HARDWARE_ID, "--threshold", 2, "--no-eeprom", "--unchecked-packages", *both))
        done = self.admin(*self.delegate_arguments(HARDWARE_ID, "--floor", 2, *both))
        self.assertNotIn("WARNING", done.stderr)
        entry = self.show()["entries"][0]
        self.assertEqual((entry["threshold"], entry["eeprom_packages"], entry["unchecked_packages"], entry["floor_release"]),
                         (2, False, True, 2))
        self.admin_fails(USAGE, *self.delegate_arguments(), "--yes", saying="so many had to sign until now")
        done = self.admin(*self.delegate_arguments(HARDWARE_ID, "--threshold", 1, "--eeprom", "--checked-packages", "--yes"))
        self.assertIn("stop loading what only that key signed", done.stderr)
        entry = self.show()["entries"][0]
        self.assertEqual((entry["threshold"], entry["eeprom_packages"], entry["unchecked_packages"]), (1, True, False))
        # And the log tells which entry, and what of it.
        told = [line for line in self.admin("audit").stdout.splitlines() if " targets " in line]
        self.assertIn(f"{HARDWARE_ID}(new)", told[0])
        self.assertIn(f"{HARDWARE_ID}(floor_release)", told[1])
        self.assertIn(f"{HARDWARE_ID}(publisher_keys,threshold,eeprom_packages,unchecked_packages)", told[2])

    def test_nothing_is_signed_without_a_yes(self):
        self.admin_fails(USAGE, *self.delegate_arguments(), saying="--yes")
        self.assertIsNone(self.show()["head"])
        self.assertFalse((self.server.keys / "targets.key.head").exists())

    def test_another_servers_root_is_refused(self):
        self.run_ok("init", "--data", self.folder / "other", "--keys", self.folder / "other-keys")
        self.admin_fails(VERIFICATION, "trust", "show", "--root", self.folder / "other-keys/root.mpyd")

    def test_a_key_that_is_no_targets_key_of_the_root_signs_nothing(self):
        stranger = self.folder / "stranger.key"
        self.run_ok("keygen", "--role", "targets", "--out", stranger)
        arguments = [a if a != self.server.keys / "targets.key" else stranger for a in self.delegate_arguments()]
        self.admin_fails(VERIFICATION, *arguments, "--yes", saying="not a targets key")

    def roll_back_after(self, *changes):
        """Keeps a copy of the server's data, makes the changes, and puts the copy back."""
        self.server.stop()
        shutil.copytree(self.server.data, self.folder / "copy")
        self.server.start()
        for change in changes:
            self.admin(*change, "--yes")
        self.server.stop()
        shutil.rmtree(self.server.data)
        shutil.copytree(self.folder / "copy", self.server.data)
        self.server.start()

    def test_a_rolled_back_server_is_refused_as_a_base(self):
        self.admin(*self.delegate_arguments(), "--yes")
        self.roll_back_after(self.delegate_arguments("hat:a:0001"), self.delegate_arguments("hat:a:0002"))
        self.admin_fails(VERIFICATION, *self.delegate_arguments("hat:a:0003"), "--yes", saying="signed version 3")

    def test_a_head_that_did_not_arrive_is_sent_again_before_anything_new(self):
        self.admin(*self.delegate_arguments(), "--yes")
        self.roll_back_after(self.delegate_arguments("hat:a:0001"))
        done = self.admin(*self.delegate_arguments("hat:a:0002"), "--yes")
        self.assertIn("sending it again", done.stderr)
        shown = self.show()
        self.assertEqual(shown["head"]["version"], 3)
        self.assertEqual([e["hardware_id"] for e in shown["entries"]], ["hat:Meadow%20Instruments:0042", "hat:a:0001",
                                                                       "hat:a:0002"])

    def test_a_server_with_another_history_of_the_same_version_is_refused(self):
        self.admin(*self.delegate_arguments(), "--yes")
        kept = self.server.keys / "targets.key.head"
        self.server.stop()
        shutil.copytree(self.server.data, self.folder / "copy")
        self.server.start()
        self.admin(*self.delegate_arguments("hat:a:0001"), "--yes")
        honest = kept.read_bytes()
        self.server.stop()
        shutil.rmtree(self.server.data)
        shutil.copytree(self.folder / "copy", self.server.data)
        kept.unlink()
        self.server.start()
        self.admin(*self.delegate_arguments("hat:a:0002"), "--yes")
        kept.write_bytes(honest)
        self.admin_fails(VERIFICATION, *self.delegate_arguments("hat:a:0003"), "--yes", saying="another head")


class Publish(ServerTest):
    def setUp(self):
        super().setUp()
        self.server.delegate()

    def releases(self):
        return self.admin_json("release", "list")["releases"]

    def test_all_variants_are_published_at_once_and_repeating_is_success(self):
        first = self.admin_json(*self.publish_arguments(driver("x64"), driver("any")))
        self.assertEqual(first["release"], 1)
        self.assertEqual([p["status"] for p in first["packages"]], ["stored", "stored"])
        again = self.admin_json(*self.publish_arguments(driver("x64"), driver("any")))
        self.assertEqual([p["digest"] for p in again["packages"]], [p["digest"] for p in first["packages"]])
        self.assertEqual([p["status"] for p in again["packages"]], ["exists", "exists"])
        self.assertEqual(len(self.releases()), 1)
        self.assertEqual(len(self.releases()[0]["variants"]), 2)

    def test_what_is_shown_is_what_is_signed(self):
        said = self.admin(*self.publish_arguments(driver("any")))
        import hashlib
        self.assertIn(hashlib.sha256(driver("any").read_bytes()).hexdigest(), said.stderr)

    def test_a_published_version_never_changes(self):
        self.admin(*self.publish_arguments(driver("any")))
        self.admin_fails(CONFLICT, *self.publish_arguments(driver("any", "1.0.1")), saying="new --version")
        second = self.admin_json(*self.publish_arguments(driver("any", "1.0.1"), version="1.0.1"))
        self.assertEqual(second["release"], 2)

    def test_a_version_below_the_newest_is_warned_of(self):
        self.admin(*self.publish_arguments(driver(version="1.10.0"), version="1.10.0"))
        done = self.admin(*self.publish_arguments(driver(version="1.9.0"), version="1.9.0", more=("--dry-run",)))
        self.assertIn("WARNING: 1.9.0 is lower than 1.10.0", done.stderr)
        for version in ("1.10.0", "1.10.1"):
            done = self.admin(*self.publish_arguments(driver(version=version), version=version))
            self.assertNotIn("WARNING", done.stderr)

    def test_a_dry_run_sends_nothing(self):
        said = self.admin_json(*self.publish_arguments(driver("any"), more=["--dry-run"]))
        self.assertTrue(said["dry_run"])
        self.assertEqual(self.releases(), [])

    def test_packed_files_are_published_as_they_are(self):
        packed = self.run_json("pack", driver("x64"), driver("any"), "--hardware-id", HARDWARE_ID, "--name", "thermo",
                               "--version", "1.0.0", "--release", 7, "--key", self.server.publisher, "--root",
                               self.server.root, "--out-dir", self.folder)["packages"]
        files = [p["file"] for p in packed]
        first = self.admin_json("publish", *files, "--root", self.server.root)
        self.assertEqual([p["digest"] for p in first["packages"]], [p["digest"] for p in packed])
        self.assertEqual(first["release"], 7)
        again = self.admin_json("publish", *files, "--root", self.server.root)
        self.assertEqual([p["status"] for p in again["packages"]], ["exists", "exists"])
        self.admin_fails(CONFLICT, "publish", *files, "--version", "2.0.0", "--root", self.server.root)

    def test_a_publisher_nobody_named_publishes_nothing(self):
        stranger = self.server.new_publisher("stranger")
        arguments = [a if a != self.server.publisher else stranger for a in self.publish_arguments(driver("any"))]
        done = live.mpyd(*arguments, "--server", self.server.url, token_file=self.server.token_file, check=False)
        self.assertIn(done.returncode, (NOT_AUTHORISED, VERIFICATION), done.stderr)
        self.assertEqual(self.releases(), [])

    def test_a_server_key_the_pinned_root_does_not_certify_gets_nothing(self):
        self.run_ok("init", "--data", self.folder / "other", "--keys", self.folder / "other-keys")
        arguments = [a if a != self.server.root else self.folder / "other-keys/root.mpyd"
                     for a in self.publish_arguments(driver("any"))]
        self.admin_fails(VERIFICATION, *arguments)
        self.assertEqual(self.releases(), [])

    def test_yank_takes_back_and_unyank_gives_again(self):
        self.admin(*self.publish_arguments(driver("x64"), driver("any")))

        def chosen():
            return self.admin_json("explain", "--abi", "6.3-x64", "--hardware-id", HARDWARE_ID, "--revision", 3)["chosen"]

        self.assertEqual(chosen()["abi"], "6.3-x64")
        arguments = ("--hardware-id", HARDWARE_ID, "--version", "1.0.0")
        self.admin("release", "yank", *arguments, "--abi", "6.3-x64")
        self.assertEqual(chosen()["abi"], "6-any")
        self.admin("release", "yank", *arguments)
        self.assertIsNone(chosen())
        self.admin("release", "unyank", *arguments)
        self.assertEqual(chosen()["abi"], "6.3-x64")
        self.admin_fails(NOT_FOUND, "release", "yank", "--hardware-id", HARDWARE_ID, "--version", "9.9.9")

    def test_explain_says_why_not(self):
        self.admin(*self.publish_arguments(driver("x64")))
        said = self.admin_json("explain", "--abi", "6.3-armv7m", "--hardware-id", HARDWARE_ID, "--revision", 3)
        self.assertIsNone(said["chosen"])
        self.assertIn("x64", said["rejected"][0]["reason"])


class Policy(ServerTest):
    """Floors, approvals and revocations, as far as the server goes; motherboards apply the same rules."""

    def setUp(self):
        super().setUp()
        self.server.delegate()
        self.one = self.admin_json(*self.publish_arguments(driver("any")))["packages"][0]["digest"]
        self.two = self.admin_json(*self.publish_arguments(driver("any", "1.0.1"), version="1.0.1"))["packages"][0]["digest"]

    def policy(self, command, *more):
        return ("trust", command, *more, "--key", self.server.keys / "targets.key", "--root", self.server.root, "--yes")

    def chosen(self):
        said = self.admin_json("explain", "--abi", "6.3-x64", "--hardware-id", HARDWARE_ID, "--revision", 3)
        return said["chosen"] and said["chosen"]["digest"]

    def test_a_floor_rises_and_never_goes_down(self):
        self.admin("release", "yank", "--hardware-id", HARDWARE_ID, "--version", "1.0.1")
        self.assertEqual(self.chosen(), self.one)
        done = self.admin(*self.policy("floor", "--hardware-id", HARDWARE_ID, "--release", 2))
        self.assertIn("+ floor release 2", done.stderr)
        self.assertIsNone(self.chosen())
        self.assertNotIn("WARNING", done.stderr)
        done = self.admin(*self.policy("floor", "--hardware-id", HARDWARE_ID, "--release", 9))
        self.assertIn("the highest is 2", done.stderr)
        self.assertEqual(self.admin_json(*self.publish_arguments(driver("any", "1.0.2"), version="1.0.2"))["release"], 9)
        self.admin_fails(VERIFICATION, *self.policy("floor", "--hardware-id", HARDWARE_ID, "--release", 1),
                         saying="never goes down")
        self.admin_fails(NOT_FOUND, *self.policy("floor", "--hardware-id", "hat:Nobody:0001", "--release", 1),
                         saying="trust delegate")

    def test_A33_approved_only_means_that_nothing_else_is_chosen(self):
        self.assertEqual(self.chosen(), self.two)
        only = self.admin(*self.policy("approve", "--hardware-id", HARDWARE_ID, "--only"))
        self.assertIn("motherboards load none until", only.stderr + only.stdout)
        self.assertIsNone(self.chosen())
        said = self.admin("explain", "--abi", "6.3-x64", "--hardware-id", HARDWARE_ID, "--revision", 3).stdout
        self.assertIn("nobody approved it: mpyd trust approve --digest does", said)
        self.admin(*self.policy("approve", "--hardware-id", HARDWARE_ID, "--digest", self.one))
        self.assertEqual(self.chosen(), self.one)
        done = self.admin(*self.publish_arguments(driver(version="7.0.0"), version="7.0.0"))
        self.assertIn("no motherboard gets 6-any yet", done.stderr)
        self.admin("release", "yank", "--hardware-id", HARDWARE_ID, "--version", "7.0.0")
        self.admin(*self.policy("approve", "--hardware-id", HARDWARE_ID, "--any"))
        self.assertEqual(self.chosen(), self.two)
        self.admin_fails(USAGE, *self.policy("approve", "--hardware-id", HARDWARE_ID))
        self.admin_fails(USAGE, *self.policy("approve", "--hardware-id", HARDWARE_ID, "--digest", "abc"))

    def test_A33_nothing_but_what_is_pinned_is_chosen(self):
        pin = self.policy("pin", "--hardware-id", HARDWARE_ID)
        self.admin(*pin, "--digest", self.one)
        self.assertEqual(self.chosen(), self.one)
        done = self.admin(*self.publish_arguments(driver(version="7.0.0"), version="7.0.0"))
        self.assertIn("policy pins this board to other packages", done.stderr)
        self.admin("release", "yank", "--hardware-id", HARDWARE_ID, "--version", "7.0.0")
        self.admin(*pin, "--release", 2)
        self.assertEqual(self.chosen(), self.two)
        self.assertFalse(self.admin_json(*pin, "--digest", self.two)["changed"])
        self.admin_fails(NOT_FOUND, *pin, "--release", 77, saying="no release 77")
        self.admin_fails(USAGE, *pin)
        self.admin_fails(USAGE, *pin, "--none", "--release", 2)
        self.admin(*pin, "--none")
        self.assertEqual(self.chosen(), self.two)

    def test_A33_for_a_board_that_the_operator_refuses_nothing_is_chosen(self):
        refuse = self.policy("refuse", "--hardware-id", HARDWARE_ID)
        said = self.admin(*refuse)
        self.assertIn("+ the operator refuses this board", said.stderr)
        self.assertIsNone(self.chosen())
        explained = self.admin_json("explain", "--abi", "6.3-armv7m", "--hardware-id", HARDWARE_ID)
        self.assertEqual((explained["code"], explained["message"]), ("policy", "the operator refuses this board"))
        (entry,) = [each for each in self.admin_json("trust", "show", "--root", self.server.root)["entries"]
                    if each["hardware_id"] == HARDWARE_ID]
        # A motherboard from before the rule refuses for want of an approval.
        self.assertEqual((entry["board_refused"], entry["mode"], entry["approved_digests"]), (True, "approved_only", []))
        self.admin_fails(CONFLICT, *self.policy("approve", "--hardware-id", HARDWARE_ID, "--digest", self.one),
                         saying="refuse --lift")
        self.assertFalse(self.admin_json(*refuse)["changed"])
        self.admin(*refuse, "--lift")
        self.assertEqual(self.chosen(), self.two)
        self.assertFalse(self.admin_json(*refuse, "--lift")["changed"])

    def test_a_revoked_package_is_not_chosen_and_cannot_be_approved(self):
        self.admin(*self.policy("revoke", "--hardware-id", HARDWARE_ID, "--digest", self.two))
        self.assertEqual(self.chosen(), self.one)
        self.admin_fails(VERIFICATION, *self.policy("approve", "--hardware-id", HARDWARE_ID, "--digest", self.two),
                         saying="was revoked")

    def test_A21_nothing_a_revoked_publisher_signed_is_chosen_or_stored(self):
        revoke = self.policy("revoke", "--publisher", f"{self.server.publisher}.pub")
        self.admin(*revoke)
        self.assertIsNone(self.chosen())
        self.admin_fails(VERIFICATION, *self.publish_arguments(driver("any", "1.0.2"), version="1.0.2"))
        self.assertFalse(self.admin_json(*revoke)["changed"])
        shown = self.admin_json("trust", "show", "--root", self.server.root)
        self.assertEqual(len(shown["head"]["revoked_keys"]), 1)
        self.admin_fails(VERIFICATION, "trust", "delegate", "--hardware-id", HARDWARE_ID, "--name", "thermo", "--publisher",
                         f"{self.server.publisher}.pub", "--key", self.server.keys / "targets.key", "--root",
                         self.server.root, "--yes", saying="revoked")

    def test_a_revocation_names_a_publisher_or_packages(self):
        for arguments in ([], ["--hardware-id", HARDWARE_ID], ["--digest", self.one],
                          ["--publisher", f"{self.server.publisher}.pub", "--hardware-id", HARDWARE_ID, "--digest", self.one]):
            self.admin_fails(USAGE, *self.policy("revoke", *arguments), saying="what is to be revoked")


class Tokens(ServerTest):
    def test_a_token_does_what_its_scopes_say_until_it_is_revoked(self):
        self.server.delegate()
        created = self.admin("token", "create", "--name", "ci", "--scope", "publish", "--scope", "read", "--expires", "30d")
        token = created.stdout.strip()
        self.assertNotIn(token, created.stderr)
        as_ci = dict(env={"MPYD_TOKEN": token, "MPYD_SERVER": self.server.url})
        self.run_ok(*self.publish_arguments(driver("any")), **as_ci)
        self.run_fails(NOT_AUTHORISED, "token", "list", **as_ci)
        self.run_fails(NOT_AUTHORISED, *self.delegate_arguments("hat:a:0001"), "--yes", **as_ci)
        listed = self.admin("token", "list").stdout
        self.assertIn("ci", listed)
        self.assertNotIn(token, listed)
        self.admin("token", "revoke", "ci")
        self.run_fails(NOT_AUTHORISED, "release", "list", **as_ci)

    def test_a_token_is_written_to_a_new_file_of_its_owner(self):
        out = self.folder / "vendor.token"
        make = ("token", "create", "--name", "vendor", "--scope", "publish", "--hardware", "hat:Acme:*", "--out", out)
        self.assertNotIn("mpyd_", self.admin(*make).stdout)
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)
        with_it = {"MPYD_SERVER": self.server.url, "MPYD_TOKEN_FILE": str(out)}
        self.assertRegex(self.run_ok("whoami", env=with_it).stdout, r"hardware +hat:Acme:\*")
        self.admin_fails(CONFLICT, *make[:3], "another", *make[4:], saying="nothing was made")
        self.assertNotIn("another", self.admin("token", "list").stdout)

    def test_who_has_no_admin_token_any_more_gets_one_beside_the_stopped_server(self):
        self.admin_fails(CONFLICT, "token", "revoke", "admin", saying="make another one first")
        rescue = ("token", "rescue", "--data", self.server.data, "--out", self.folder / "rescued")
        self.run_fails(CONFLICT, *rescue, saying="another mpyd runs on")
        self.server.stop()
        done = self.run_ok(*rescue)
        self.assert_secret(self.folder / "rescued")
        self.assertNotIn((self.folder / "rescued").read_text().strip(), done.stdout + done.stderr)
        self.run_fails(CONFLICT, *rescue[:-1], self.folder / "again", saying="rescue")
        self.server.start()
        listed = live.mpyd("audit", "--server", self.server.url, token_file=self.folder / "rescued").stdout
        self.assertRegex(listed, r"rescue +token-create +rescue")
        self.admin("token", "revoke", "admin")

    def test_a_result_that_could_not_be_written_is_no_success(self):
        environment = dict(os.environ, MPYD_SERVER=self.server.url, MPYD_TOKEN_FILE=str(self.server.token_file))
        for command in (("release", "list"), ("release", "list", "--json"), ("completion", "bash")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([live.MPYD, *command], stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=60)
            self.assertEqual(done.returncode, FAILED, command)
            self.assertIn("cannot write the result", done.stderr)

    def test_a_list_without_rows_says_so(self):
        for command, said in (("release list --hardware-id hat:acme:0001", "no release matches"), ("device list --waiting", "no device matches"),
                              ("inventory", "no board matches"), ("audit --action no-such-thing", "no row of the log matches")):
            self.assertIn(said, self.admin(*command.split()).stdout)

    def test_no_token_and_a_wrong_one_are_not_authorised(self):
        server = {"MPYD_SERVER": self.server.url}
        self.run_fails(NOT_AUTHORISED, "release", "list", env=server, saying="no token")
        self.run_fails(NOT_AUTHORISED, "release", "list", env={**server, "MPYD_TOKEN": "wrong"})

    def test_a_token_file_that_others_may_read_is_refused(self):
        self.server.token_file.chmod(0o644)
        self.admin_fails(NOT_AUTHORISED, "release", "list", saying="chmod 600")


class Devices(ServerTest):
    def provision(self, name="bench-1", out="identity"):
        return self.admin_json("device", "provision", "--name", name, "--out", self.folder / out, "--root",
                               self.server.root, "--device-server", f"127.0.0.1:{self.server.port}")

    def test_provisioning_is_a_secret_file_and_an_enrolled_key_and_repeating_is_success(self):
        said = self.provision()
        identity = self.folder / "identity"
        self.assert_secret(identity)
        before = identity.read_bytes()
        again = self.provision()
        self.assertEqual((again["id"], again["public_key"]), (said["id"], said["public_key"]))
        self.assertEqual(identity.read_bytes(), before)
        devices = self.admin_json("device", "list")["devices"]
        self.assertEqual([d["name"] for d in devices], ["bench-1"])
        self.assertEqual(self.admin_json("device", "show", said["id"])["name"], "bench-1")
        other = self.provision("bench-2", "identity2")
        self.assertNotEqual(other["public_key"], said["public_key"])

    def test_a_device_is_revoked(self):
        said = self.provision()
        self.admin("device", "revoke", said["id"])
        self.assertTrue(self.admin_json("device", "list")["devices"][0]["revoked"])
        self.admin_fails(NOT_FOUND, "device", "show", "00" * 16)

    def test_a_fleet_file_says_how_many_it_enrols_and_carries_policy(self):
        self.server.delegate()
        base = ["device", "provision", "--fleet", "--root", self.server.root, "--device-server", "127.0.0.1:8780"]
        out = self.folder / "fleet.mpyd"
        self.admin_fails(USAGE, *base, "--out", out, saying="--uses")
        said = self.admin_json(*base, "--out", out, "--uses", 3, "--name", "line", "--approve", "--with-policy", HARDWARE_ID,
                               "--after-expiry", "keep")
        self.assert_secret(out)
        self.assertEqual((said["name"], said["uses_max"], said["needs_approval"]), ("line", 3, True))
        self.assertNotIn("token", said)
        self.assertIn(HARDWARE_ID.encode(), out.read_bytes())
        listed = next(t for t in self.admin_json("token", "list")["tokens"] if t["name"] == "line")
        self.assertEqual((listed["scopes"], listed["uses"]), (["enroll"], 0))
        # The token in the file cannot be had again: it is not overwritten, and no other is made.
        self.admin_fails(CONFLICT, *base, "--out", out, "--uses", 3)
        self.admin_fails(NOT_FOUND, *base, "--out", self.folder / "x", "--uses", 3, "--with-policy", "hat:Nobody:0001")
        self.assertEqual(sum(t["scopes"] == ["enroll"] for t in self.admin_json("token", "list")["tokens"]), 1)
        self.admin_fails(USAGE, "device", "provision", "--uses", 3, "--name", "x", "--out", self.folder / "y", "--root",
                         self.server.root, "--device-server", "127.0.0.1:8780", saying="--fleet")

    def test_a_dead_device_is_replaced(self):
        old, new = self.provision("press-7"), self.provision("spare", "identity2")
        self.assertEqual(self.admin_json("device", "replace", old["id"], new["id"])["name"], "press-7")
        states = {d["id"]: d["state"] for d in self.admin_json("device", "list")["devices"]}
        self.assertEqual(states, {old["id"]: "replaced", new["id"]: "enrolled"})
        # The name is the new one's now, also for commands; the audit log names each beside the other.
        self.assertEqual(self.admin_json("device", "show", "press-7")["id"], new["id"])
        lines = self.admin("audit").stdout.splitlines()
        self.assertIn(f"by={new['id']}", next(line for line in lines if "device-replaced" in line))
        self.assertIn(f"from={old['id']}", next(line for line in lines if "device-take-over" in line))

    def test_a_device_that_follows_a_nameless_one_keeps_its_name(self):
        nameless = self.admin_json("device", "provision", "--fleet", "--uses", 1, "--name", "line", "--out", self.folder / "fleet", "--root",
                                   self.server.root, "--device-server", f"127.0.0.1:{self.server.port}")
        self.assertEqual(nameless["uses_max"], 1)
        board = live.Motherboard(self.folder / "board", self.folder / "fleet").start()
        self.addCleanup(lambda: board.process and board.kill())
        old, = live.wait_for("a nameless device", lambda: self.admin_json("device", "list")["devices"])
        new = self.provision("spare")
        self.assertEqual(old["name"], "")
        self.assertIn("as spare", self.admin("device", "replace", old["id"], new["id"]).stdout)
        self.assertEqual(self.admin_json("device", "show", "spare")["id"], new["id"])

    def test_a_device_is_named_by_its_id_the_start_of_it_or_its_name(self):
        said, other = self.provision("press-7"), self.provision("press-8", "identity2")
        for text in (said["id"], said["id"][:6], "press-7"):
            self.assertEqual(self.admin_json("device", "show", text)["id"], said["id"])
        self.admin_fails(NOT_FOUND, "device", "show", said["id"][:3], saying="four digits")
        self.admin_fails(NOT_FOUND, "device", "revoke", "press-9", saying="press-9")
        # A name that two have: both are told.
        third = self.provision("press-8", "identity3")
        failed = self.admin_fails(CONFLICT, "device", "revoke", "press-8", saying=other["id"])
        self.assertIn(third["id"], failed.stderr)
        self.admin("device", "revoke", third["id"][:8])
        self.assertIn(other["id"], self.admin("device", "revoke", "press-8").stdout)
        # The device of that name; it has yet to sync.
        done = live.mpyd("explain", "--device", "press-7", "--hardware-id", HARDWARE_ID, "--server", self.server.url,
                         token_file=self.server.token_file, check=False)
        self.assertIn(f"the device {said['id']} has not told its ABI yet", done.stderr)

    def test_a_device_is_shown_with_times_and_the_token_it_came_by(self):
        said = self.provision()
        text = self.admin("device", "show", said["id"]).stdout
        self.assertRegex(text, r"(?m)^enrolled  \d{4}-\d\d-\d\d")
        self.assertNotIn("unix_s", text)
        self.assertIn("enrolled_unix_s", self.admin_json("device", "show", said["id"]))
        self.assertIn("TOKEN", self.admin("device", "list").stdout.splitlines()[0])

    def test_devices_are_told_of_another_place(self):
        self.assertIsNone(self.admin_json("device", "move")["host"])
        self.assertEqual(self.admin_json("device", "move", "--to", "192.0.2.9:8780")["port"], 8780)
        self.assertIn("192.0.2.9:8780", self.admin("device", "move").stdout)
        self.admin("device", "move", "--cancel")
        self.assertIsNone(self.admin_json("device", "move")["host"])

    def test_the_audit_log_names_who_did_what(self):
        self.provision()
        events = self.admin_json("audit")["events"]
        self.assertTrue(any("device" in json.dumps(e) for e in events), events)

    def test_the_audit_log_ends_with_what_was_done_last(self):
        for i in range(4):
            self.admin("token", "create", "--name", f"t{i}", "--scope", "read")
        lines = self.admin("audit", "--limit", 2).stdout.splitlines()
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("t2", lines[1])
        self.assertIn("t3", lines[2])
        self.assertIn("scopes=read", lines[2])
        self.assertIn("t3", self.admin("audit").stdout.splitlines()[-1])
        # Programs read on from any row.
        first = self.admin_json("audit", "--limit", 2)["events"][0]["id"]
        self.assertEqual([e["id"] for e in self.admin_json("audit", "--after", first)["events"]], [first + 1])


if __name__ == "__main__":
    unittest.main()
