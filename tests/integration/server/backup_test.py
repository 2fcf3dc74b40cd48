#!/usr/bin/python3
"""mpyd backup while a server works, mpyd restore elsewhere, and what an upgrade of the schema keeps."""

import hashlib
import http.client
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
import unittest

from publishing import Publisher, assert_served_whole, delegate_all, wait_until
from support import BYTECODE, live

COMPAT = live.REPO / "tests/vectors/compat/1"


def another_server(data, keys):
    """A server on what was restored; its keys are those of the first."""
    server = live.Server.__new__(live.Server)
    server.data, server.keys, server.process, server.ports = data, keys, None, None
    server.root, server.token_file, server.publisher = keys / "root.mpyd", keys / "admin.token", keys / "publisher.key"
    return server


class BackupCase(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder)
        self.addCleanup(self.server.stop)
        self.passphrase = self.folder / "passphrase"
        self.passphrase.write_text("correct horse\n")
        self.passphrase.chmod(0o600)
        self.file = self.folder / "mpyd.backup"
        self.elsewhere = self.folder / "elsewhere"

    def backup(self, *more, check=True):
        return live.mpyd("backup", "--data", self.server.data, "--out", self.file, *more, check=check)

    def restore(self, *more, check=True):
        return live.mpyd("restore", self.file, "--data", self.elsewhere, *more, check=check)

    def sealed(self):
        return ("--passphrase-file", self.passphrase)

    def change(self, *statements, path=None):
        """What somebody does to a database beside mpyd."""
        database = sqlite3.connect(path or self.server.data / "mpyd.db", isolation_level=None)
        for statement in statements:
            database.execute(statement)
        database.close()

    def restore_changed(self, *statements):
        """Of a backup in clear, whose database somebody changed."""
        key = ("--server-key", self.server.data / "server.key")
        self.backup("--without-keys")
        file, database = self.file.read_bytes(), self.folder / "changed.db"
        head = len(b"mpyd-backup\n") + 2
        begin = head + 8 + len(b"\x07mpyd.db") + 8
        database.write_bytes(file[begin:-33])
        self.change(*statements, path=database)
        changed = database.read_bytes()
        content = file[head:begin - 8] + struct.pack("<Q", len(changed)) + changed + b"\0"
        self.file.write_bytes(file[:head] + content + hashlib.sha256(content).digest())
        return self.restore(*key, check=False)

    def start_restored(self):
        restored = another_server(self.elsewhere, self.server.keys)
        self.addCleanup(restored.stop)
        return restored.start()

    def publish(self, version="1.0.0"):
        driver = self.folder / "thermo.mpy"
        driver.write_bytes(BYTECODE)
        return json.loads(self.server.publish(driver, version=version, more=["--json"]).stdout)

    def assert_refused(self, done, code, *words):
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Backup(BackupCase):
    def test_a_backup_taken_in_a_storm_of_publishes_serves_every_acknowledged_release_elsewhere(self):
        self.server.start()
        delegate_all(self.server, 3)
        publishers = [Publisher(self.server, n, self.folder) for n in range(3)]
        for publisher in publishers:
            publisher.start()
        for number in range(3):
            wait_until(publishers, 5 * (number + 1))
            acknowledged = {p.hardware_id: dict(p.acknowledged) for p in publishers}
            self.backup(*self.sealed())
            self.restore(*self.sealed())
            restored = self.start_restored()
            listed = assert_served_whole(self, restored, acknowledged)
            self.assertGreaterEqual(sum(map(len, listed.values())), 5 * (number + 1))
            self.assertEqual(restored.admin("audit", "verify", check=False).returncode, 0)
            restored.stop()
            shutil.rmtree(self.elsewhere)
            self.file.unlink()
        for publisher in publishers:
            publisher.stop()

    def test_a_restored_server_goes_on_with_its_devices_tokens_and_publishers(self):
        self.server.start()
        self.server.delegate()
        self.publish()
        identity = self.server.provision("bench", self.folder / "identity")
        self.backup(*self.sealed())
        said = json.loads(self.restore(*self.sealed(), "--json").stdout)
        self.assertEqual((said["releases"], said["devices"], said["audit_intact"]), (1, 1, True))
        ports = self.server.ports
        self.server.stop()
        restored = another_server(self.elsewhere, self.server.keys)
        restored.ports = ports
        self.addCleanup(restored.stop)
        restored.start()
        self.assertIn("bench", restored.admin("device", "list").stdout)
        newest = json.loads(restored.admin("audit", "--json").stdout)["events"][-1]
        self.assertEqual((newest["action"], newest["actor"], newest["subject"]), ("restore", "restore", "mpyd.backup"))
        self.assertEqual(newest["detail"]["backup_head"], said["audit_head"])
        if not live.MICROPYTHON.exists():
            self.fail(f"{live.MICROPYTHON} is missing")
        image = self.folder / "board.eep"
        live.mpyd("eeprom", "build", "--hardware-id", live.HARDWARE_ID, "--out", image)
        board = live.Motherboard(self.folder / "board", identity)
        self.addCleanup(board.stop)
        board.plug(0, image)
        board.start()
        self.assertIn("thermo 1.0.0", board.wait_event("loaded", slot=0)["detail"])
        # A head noted after the backup is gone with what it stood for; the log says how.
        lost = f"{newest['id'] + 40}:{'ab' * 32}"
        gone = live.mpyd("audit", "verify", "--data", self.elsewhere, "--head", lost, check=False)
        self.assertIn(f"Row {newest['id']} says that this server was restored from a backup", gone.stdout)
        self.server.data, self.server.ports, self.server.process = restored.data, restored.ports, None
        self.publish("1.1.0")

    def test_nobody_else_reads_a_backup_and_the_key_is_not_in_it_in_clear(self):
        self.server.start()
        self.backup(*self.sealed())
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        content = self.file.read_bytes()
        for secret in ("server.key", "mpyd.db"):
            self.assertNotIn((self.server.data / secret).read_bytes()[16:64], content)
        self.assertNotIn(b"SQLite", content)
        self.assertEqual([path.name for path in self.folder.glob("mpyd.backup*")], ["mpyd.backup"])

    def test_a_backup_in_clear_holds_no_key_and_needs_one_to_be_restored(self):
        self.server.start()
        self.backup("--without-keys")
        self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
        self.assertNotIn(b"mpyd-key", self.file.read_bytes())
        self.assert_refused(self.restore(check=False), 2, "--server-key")
        self.assertFalse(self.elsewhere.exists())
        wrong = self.folder / "wrong.key"
        live.mpyd("keygen", "--role", "server", "--out", wrong)
        done = self.restore("--server-key", wrong, check=False)
        self.assert_refused(done, 2, f"{wrong} is not the key that the newest root in {self.file} names")
        self.assertNotIn("unchecked", done.stderr)
        self.assertFalse(self.elsewhere.exists())
        self.restore("--server-key", self.server.data / "server.key")
        self.start_restored().stop()

    def test_whoever_restores_is_told_who_may_rule_the_server_and_who_vouches_for_it(self):
        self.server.start()
        self.server.admin("token", "create", "--name", "second", "--scope", "admin")
        self.server.admin("token", "create", "--name", "reader", "--scope", "read")
        self.backup(*self.sealed())
        said = self.restore(*self.sealed()).stdout
        self.assertIn("2 valid: admin, second", said)
        self.assertIn("one-time tokens", said)
        self.assertNotIn("in clear", said)
        for path in (self.file, self.elsewhere):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.backup("--without-keys")
        key = ("--server-key", self.server.data / "server.key")
        self.assert_refused(self.restore(*self.sealed(), *key, check=False), 6, "is not encrypted", "--passphrase-file")
        self.assertFalse(self.elsewhere.exists())
        said = json.loads(self.restore(*key, "--json").stdout)
        self.assertEqual((said["encrypted"], said["admin_tokens"]), (False, ["admin", "second"]))
        shutil.rmtree(self.elsewhere)
        self.assertIn("in clear: nobody vouches for it", self.restore(*key).stdout)

    def test_keys_in_a_file_in_clear_are_nobodys(self):
        self.backup("--without-keys")
        clear = self.file.read_bytes()
        key = (self.server.data / "server.key").read_bytes()
        head = len(b"mpyd-backup\n") + 2
        content = clear[head:head + 8] + b"\x0aserver.key" + struct.pack("<Q", len(key)) + key + clear[head + 8:-32]
        self.file.write_bytes(clear[:head] + content + hashlib.sha256(content).digest())
        self.assert_refused(self.restore(check=False), 6, "server.key in clear")
        self.assertFalse(self.elsewhere.exists())

    def test_an_encrypted_backup_says_what_it_needs(self):
        self.backup(*self.sealed())
        done = self.restore(check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"the backup {self.file} is encrypted", done.stderr)
        self.assertIn("--passphrase-file", done.stderr)

    def test_a_server_made_while_the_passphrase_is_typed_stays(self):
        self.backup(*self.sealed())
        typed = self.folder / "typed"
        os.mkfifo(typed, 0o600)
        restore = subprocess.Popen([live.MPYD, "restore", self.file, "--data", self.elsewhere, "--passphrase-file", typed],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with open(typed, "w") as pipe:  # it waits for whoever reads
            live.mpyd("init", "--data", self.elsewhere, "--keys", self.folder / "other-keys")
            made = {path.name: path.read_bytes() for path in self.elsewhere.iterdir()}
            pipe.write("correct horse\n")
        out, err = restore.communicate(timeout=30)
        self.assertEqual(restore.returncode, 5, out + err)
        self.assertIn("is not empty", err)
        self.assertIn("mpyd.db", made)
        self.assertEqual({path.name: path.read_bytes() for path in self.elsewhere.iterdir()}, made)

    def copies(self):
        return sorted(path.name for path in self.server.data.glob("mpyd.db.*"))

    def start_backup(self):
        """A backup that is halfway through copying, and stands still."""
        database = sqlite3.connect(self.server.data / "mpyd.db")
        database.execute("INSERT OR IGNORE INTO packages (digest, bytes, key_block) VALUES (zeroblob(32), zeroblob(100000000), x'')")
        database.commit()
        database.close()
        process = subprocess.Popen([live.MPYD, "backup", "--data", self.server.data, "--out", self.folder / "slow", *self.sealed()],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 20
        while not any(path.stat().st_size > 0 for path in self.server.data.glob("mpyd.db.backup.??????")):
            self.assertLess(time.monotonic(), deadline, "no copy was seen in the data directory")
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        self.assertIsNone(process.poll())
        return process

    def test_a_backup_that_is_killed_leaves_nothing_in_clear_for_long(self):
        for again in (lambda: self.backup(*self.sealed()), self.server.start):
            process = self.start_backup()
            process.kill()
            process.wait()
            self.assertTrue(self.copies())
            self.assertEqual([path.name for path in self.folder.iterdir() if path.name.startswith("slow")], [])
            again()
            self.assertEqual([name for name in self.copies() if "backup" in name], [])

    def test_a_backup_takes_nothing_from_another_one_that_is_running(self):
        process = self.start_backup()
        running = [name for name in self.copies() if "backup" in name]
        self.backup(*self.sealed())
        self.server.start()
        self.assertTrue(set(running) <= set(self.copies()), self.copies())
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual([name for name in self.copies() if "backup" in name], [])
        live.mpyd("restore", self.folder / "slow", "--data", self.elsewhere, *self.sealed())

    def test_a_start_removes_what_a_killed_upgrade_left_and_nothing_else(self):
        left = ["mpyd.db.schema-3.new", "mpyd.db.schema-3.new-journal", "mpyd.db.schema-12.new.a1B2c3", "mpyd.db.backup.a1B2c3",
                "mpyd.db.backup.a1B2c3-journal", "mpyd.db.backup.zzzzzz-wal"]
        kept = ["mpyd.db.schema-3", "mpyd.db.schema-3.newer", "mpyd.db.backup", "mpyd.db.backup.mine", "mpyd.db.schema-3.new.mine"]
        for name in left + kept:
            (self.server.data / name).touch(0o600)
        self.server.start()
        self.server.stop()
        self.assertEqual(sorted(name for name in self.copies() if name[8:11] not in ("wal", "shm")), sorted(kept))

    def test_a_backup_with_keys_in_clear_is_not_made(self):
        self.assert_refused(self.backup(check=False), 2, "--passphrase-file", "--without-keys")
        self.assertFalse(self.file.exists())

    def test_a_backup_replaces_nothing_and_needs_a_data_directory(self):
        self.file.write_text("precious")
        self.assert_refused(self.backup(*self.sealed(), check=False), 5, "is there already")
        self.assertEqual(self.file.read_text(), "precious")
        done = live.mpyd("backup", "--data", self.folder, "--out", self.folder / "b", *self.sealed(), check=False)
        self.assert_refused(done, 4, "not a data directory")

    def test_a_damaged_database_is_not_backed_up_unnoticed(self):
        path = self.server.data / "mpyd.db"
        data = bytearray(path.read_bytes())
        for page in range(4, len(data) // 4096 - 1):
            data[page * 4096:page * 4096 + 64] = b"\xff" * 64
        path.write_bytes(data)
        done = self.backup(*self.sealed(), check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertFalse(self.file.exists())

    def test_a_trigger_that_somebody_put_into_the_database_is_found_wherever_it_is_opened(self):
        trigger = """CREATE TRIGGER silent BEFORE INSERT ON audit WHEN NEW.action IN ('token-create', 'token-revoke')
                     BEGIN SELECT RAISE(IGNORE); END"""
        self.assert_refused(self.restore_changed(trigger), 6, "trigger 'silent'", "restore a backup")
        self.assertFalse(self.elsewhere.exists())
        self.file.unlink()
        self.change(trigger)
        for command in (("serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"), ("audit", "verify"), ("audit", "head")):
            with self.subTest(command):
                done = live.mpyd(*command, "--data", self.server.data, check=False)
                self.assert_refused(done, 6, "trigger 'silent'", "restore a backup")
        self.assert_refused(self.backup(*self.sealed(), check=False), 6, "trigger 'silent'")
        doctor = live.mpyd("doctor", "--data", self.server.data, check=False)
        self.assertEqual(doctor.returncode, 1, doctor.stderr)
        self.assertIn("trigger 'silent'", doctor.stdout)

    def test_a_token_without_a_name_authorises_nothing_and_is_told_of(self):
        token = "mpyd_" + "a" * 43
        insert = f"INSERT INTO tokens (hash, name, scopes, created_unix_s) VALUES (x'{hashlib.sha256(token.encode()).hexdigest()}', '', 'admin', 1)"
        self.assert_refused(self.restore_changed(insert), 6, "token", "''", "restore a backup")
        self.assertFalse(self.elsewhere.exists())
        self.file.unlink()
        self.change(insert)
        self.assert_refused(self.backup(*self.sealed(), check=False), 6, "''")
        doctor = live.mpyd("doctor", "--data", self.server.data, check=False)
        self.assertEqual(doctor.returncode, 1, doctor.stderr)
        self.assertIn("''", doctor.stdout)
        self.server.start()
        self.assert_refused(self.server.admin("token", "list", check=False), 6, "''")
        theirs = self.folder / "theirs"
        theirs.write_text(token)
        theirs.chmod(0o600)
        done = live.mpyd("token", "create", "--name", "mine", "--scope", "admin", "--server", self.server.url, token_file=theirs, check=False)
        self.assertNotEqual(done.returncode, 0)
        rows = json.loads(self.server.admin("audit", "--json").stdout)["events"]
        self.assertNotIn("mine", [row["subject"] for row in rows])

    def test_restore_compares_indexes_with_their_tables(self):
        done = self.restore_changed(
            "PRAGMA writable_schema = ON",
            "CREATE TEMP TABLE kept AS SELECT * FROM sqlite_master WHERE name = 'clone_alarms_time'",
            "DELETE FROM sqlite_master WHERE name = 'clone_alarms_time'",
            "PRAGMA writable_schema = RESET",
            "INSERT INTO clone_alarms VALUES ('hat:V:0001', x'01', 'here', 5)",
            "PRAGMA writable_schema = ON",
            "INSERT INTO sqlite_master SELECT * FROM kept")
        self.assert_refused(done, 6, "missing from index clone_alarms_time")

    def test_restore_checks_everything_first_and_leaves_nothing_behind(self):
        self.backup(*self.sealed())
        whole = self.file.read_bytes()
        other = self.folder / "other"
        other.write_text("wrong\n")
        other.chmod(0o600)
        self.assert_refused(self.restore("--passphrase-file", other, check=False), 6, "passphrase")
        for damaged in (whole[:-1], whole[:len(whole) // 2], whole[:200] + bytes([whole[200] ^ 1]) + whole[201:], whole + b"x", b"", b"mpyd-backup\n\x02\x01"):
            self.file.write_bytes(damaged)
            self.assert_refused(self.restore(*self.sealed(), check=False), 6, "error")
            self.assertFalse(self.elsewhere.exists())
        self.elsewhere.mkdir(mode=0o700)
        self.assert_refused(self.restore(*self.sealed(), check=False), 6)
        self.assertEqual(list(self.elsewhere.iterdir()), [])
        self.file.write_bytes(whole)
        self.restore(*self.sealed())

    def test_restore_refuses_a_directory_that_is_not_empty(self):
        self.backup(*self.sealed())
        self.elsewhere.mkdir(mode=0o700)
        (self.elsewhere / "note").write_text("mine")
        self.assert_refused(self.restore(*self.sealed(), check=False), 5, "is not empty", "nothing was changed")
        self.assertEqual([path.name for path in self.elsewhere.iterdir()], ["note"])
        done = live.mpyd("restore", self.file, "--data", self.server.data, *self.sealed(), check=False)
        self.assert_refused(done, 5, "is not empty")

    def test_a_rotation_of_the_server_key_in_progress_is_in_the_backup(self):
        self.server.start()
        self.server.delegate()
        self.publish()
        ask = http.client.HTTPConnection("127.0.0.1", self.server.ports[1])
        self.addCleanup(ask.close)
        ask.request("POST", "/v1/admin/server-key", b"{}", {"Authorization": "Bearer " + self.server.token_file.read_text().strip(),
                                                            "Content-Type": "application/json"})
        self.assertIn(ask.getresponse().status, (200, 201))
        self.assertTrue((self.server.data / "server.key.next").exists())
        said = json.loads(self.backup(*self.sealed(), "--json").stdout)
        self.assertEqual(said["files"], ["server.key", "server.key.next", "mpyd.db"])
        self.restore(*self.sealed())
        restored = self.start_restored()
        restored.admin("trust", "rotate", "server", "--key", restored.keys / "root.key", "--root", restored.root, "--yes")

    def test_only_the_servers_own_keys_are_taken(self):
        other, old = self.server.keys / "root.key", self.server.data / "server.key.old"
        old.symlink_to(other)
        self.assert_refused(self.backup(*self.sealed(), check=False), 3, f"{old} is a link")
        old.unlink()
        shutil.copy(other, old)
        self.assert_refused(self.backup(*self.sealed(), check=False), 6, f"{old}: a root key")
        old.unlink()
        if os.geteuid() == 0:  # nobody else may give a file away
            shutil.copy(self.server.data / "server.key", old)
            os.chown(old, 61234, 61234)
            self.assert_refused(self.backup(*self.sealed(), check=False), 3, f"{old} belongs to uid 61234", "root")
            old.unlink()
        self.assertFalse(self.file.exists())
        self.backup(*self.sealed())

    def test_doctor_finds_a_restored_server_healthy(self):
        self.server.start()
        self.server.delegate()
        self.backup(*self.sealed())
        self.restore(*self.sealed())
        said = json.loads(live.mpyd("doctor", "--data", self.elsewhere, "--json", check=False).stdout)
        found = {finding["code"] for finding in said["findings"]} - {"offline-key-beside-server"}
        self.assertEqual(found, set(), said)


class Upgrade(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copytree(COMPAT, self.folder / "old")
        for path in (self.folder / "old").rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        self.server = another_server(self.folder / "old/server", self.folder / "old/keys")
        self.addCleanup(self.server.stop)
        self.log = self.server.data.parent / "server.log"

    def schema(self, path):
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        number = database.execute("PRAGMA user_version").fetchone()[0]
        self.assertEqual(database.execute("PRAGMA quick_check").fetchone()[0], "ok")
        database.close()
        return number

    def test_an_older_database_is_kept_beside_the_upgraded_one(self):
        before = self.schema(self.server.data / "mpyd.db")
        self.server.start()
        copy = self.server.data / f"mpyd.db.schema-{before}"
        self.assertEqual(self.schema(copy), before)
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o600)
        self.assertGreater(self.schema(self.server.data / "mpyd.db"), before)
        self.assertIn(f"upgraded from schema {before} to ", self.log.read_text())
        self.assertIn(str(copy), self.log.read_text())
        self.assertEqual(self.server.admin("audit", "verify", check=False).returncode, 0)
        self.server.stop()
        written = copy.stat().st_mtime_ns
        self.server.start()
        self.assertEqual(copy.stat().st_mtime_ns, written)
        said = json.loads(live.mpyd("doctor", "--data", self.server.data, "--json", check=False).stdout)
        self.assertNotIn("backup-without-key", {finding["code"] for finding in said["findings"]})

    def test_without_room_for_the_copy_nothing_is_upgraded(self):
        before = (self.server.data / "mpyd.db").read_bytes()
        (self.server.data / f"mpyd.db.schema-{self.schema(self.server.data / 'mpyd.db')}").mkdir(mode=0o700)
        done = subprocess.run([live.MPYD, "serve", "--data", self.server.data, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
                              capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("only once a copy of it lies beside it", done.stderr)
        self.assertEqual((self.server.data / "mpyd.db").read_bytes(), before)

    def test_a_backup_of_an_older_database_is_restored_to_the_schema_of_today(self):
        before = self.schema(self.server.data / "mpyd.db")
        live.mpyd("backup", "--data", self.server.data, "--out", self.folder / "b", "--without-keys")
        self.assertEqual(self.schema(self.server.data / "mpyd.db"), before)
        live.mpyd("restore", self.folder / "b", "--data", self.folder / "new", "--server-key", self.server.data / "server.key")
        self.assertGreater(self.schema(self.folder / "new/mpyd.db"), before)
        self.assertEqual(live.mpyd("audit", "verify", "--data", self.folder / "new").returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
