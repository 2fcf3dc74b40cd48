"""mpyd doctor: each ailment is found, with its reason and its cure, and a healthy server is called so."""

import http.server
import json
import os
import shutil
import sqlite3
import threading
import unittest

from support import Scene, live


class Doctor(Scene):
    def setUp(self):
        super().setUp()
        self.server.delegate()
        # As the manual says: offline keys are not on the server.
        self.safe = live.temporary_folder() / "safe"
        self.addCleanup(shutil.rmtree, self.safe.parent)
        self.keys.rename(self.safe)
        self.server.keys, self.server.root = self.safe, self.safe / "root.mpyd"
        self.server.token_file = self.safe / "admin.token"

    def doctor(self, *more, data=True):
        """(exit code, findings by code, the whole report)."""
        arguments = ("--data", self.server.data) if data else ()
        done = live.mpyd("doctor", *arguments, *more, "--json", check=False, token_file=self.server.token_file)
        report = json.loads(done.stdout)
        return done.returncode, {f["code"]: f for f in report["findings"]}, report

    def finds(self, code, level, *more, saying="", **kwargs):
        exit_code, found, _ = self.doctor(*more, **kwargs)
        self.assertIn(code, found)
        self.assertEqual(found[code]["level"], level)
        self.assertIn(saying, found[code]["what"])
        for part in ("what", "why", "mend"):
            self.assertTrue(found[code][part])
        if level == "error":
            self.assertEqual(exit_code, 1)

    def test_a_healthy_server_is_called_so_and_the_report_says_what_was_looked_at(self):
        code, found, report = self.doctor("--keys", self.safe, "--server", self.server.url, "--root", self.server.root)
        self.assertEqual((code, found), (0, {}))
        self.assertTrue(report["healthy"])
        places = "\n".join(report["looked_at"])
        for place in ("mpyd.db", "server.key", str(self.safe), self.server.url, "root version 1", "targets head"):
            self.assertIn(place, places)
        said = live.mpyd("doctor", "--data", self.server.data)
        self.assertIn("all is well", said.stdout)

    def test_keys_and_tokens_that_others_may_read(self):
        os.chmod(self.safe / "targets.key", 0o644)
        self.finds("readable-by-others", "error", "--keys", self.safe, saying="targets.key")
        os.chmod(self.safe / "targets.key", 0o600)
        os.chmod(self.safe / "admin.token", 0o640)
        self.finds("readable-by-others", "error", "--keys", self.safe, saying="admin.token")
        os.chmod(self.safe / "admin.token", 0o600)
        os.chmod(self.server.data / "server.key", 0o604)
        self.finds("readable-by-others", "error", saying="server.key")
        os.chmod(self.server.data / "server.key", 0o600)
        os.chmod(self.server.data, 0o755)
        self.finds("folder-open-to-others", "error")

    def test_offline_keys_in_or_beside_the_data_directory(self):
        shutil.copy(self.safe / "root.key", self.server.data / "root.key")
        self.finds("offline-key-beside-server", "error", saying="in the data directory")
        (self.server.data / "root.key").rename(self.folder / "root.key")
        self.finds("offline-key-beside-server", "error", saying="beside the data directory")
        (self.folder / "keys").mkdir()
        (self.folder / "root.key").rename(self.folder / "keys/root.key")
        self.finds("offline-key-beside-server", "warning", saying="a folder beside")

    def test_A09_documents_that_expire_soon(self):
        self.trust("renew", "--key", self.safe / "targets.key", "--expires-days", 20)
        self.finds("expires-soon", "warning", saying="targets head version 2")
        self.trust("renew", "--key", self.safe / "targets.key")
        self.trust("rotate", "root", "--expires-days", 10, "--key", self.safe / "root.key")
        self.finds("expires-soon", "warning", saying="root version 2")

    def test_a_damaged_database(self):
        self.server.stop()
        with open(self.server.data / "mpyd.db", "r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * 8192)
        self.finds("database-damaged", "error")

    def test_clock_trouble(self):
        database = sqlite3.connect(self.server.data / "mpyd.db")
        database.execute("UPDATE audit SET time_unix_s = time_unix_s + 864000")
        database.commit()
        database.close()
        self.finds("database-from-the-future", "error")
        future = os.stat(self.safe / "root.mpyd").st_mtime + 864000
        os.utime(self.safe / "root.mpyd", (future, future))
        self.finds("file-from-the-future", "warning", "--keys", self.safe, data=False)

    def test_a_server_whose_clock_differs(self):
        class Late(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response_only(404 if self.path != "/healthz" else 200)
                self.send_header("Date", "Mon, 02 Jan 2006 15:04:05 GMT")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        late = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Late)
        self.addCleanup(late.server_close)
        threading.Thread(target=late.serve_forever, daemon=True).start()
        self.addCleanup(late.shutdown)
        self.finds("clocks-differ", "error", "--server", f"http://127.0.0.1:{late.server_port}", "--root",
                   self.server.root, data=False)

    def test_the_server_key_and_root_and_an_unfinished_rotation(self):
        self.trust("rotate", "server", "--out", self.folder / "draft.mpyd")
        self.finds("rotation-unfinished", "warning", saying="server.key.next")
        self.server.stop()
        os.unlink(self.server.data / "server.key.next")
        os.unlink(self.server.data / "server.key")
        self.finds("no-server-key", "error")
        live.mpyd("keygen", "--role", "server", "--out", self.folder / "other.key")
        shutil.copy(self.folder / "other.key", self.server.data / "server.key")
        self.finds("server-key-not-in-root", "error")

    def test_backups_without_their_key(self):
        backups = self.folder / "backups"
        backups.mkdir()
        shutil.copy(self.server.data / "mpyd.db", backups / "monday.db")
        self.finds("backup-without-key", "error", saying="monday.db")
        shutil.copy(self.server.data / "server.key", backups / "server.key")
        before = sorted(backups.iterdir())
        self.assertEqual(self.doctor()[1], {})
        self.assertEqual(sorted(backups.iterdir()), before)
        (backups / "server.key").write_text("garbage\n")
        self.finds("backup-does-not-start", "error", saying="monday.db")
        (backups / "server.key").unlink()
        live.mpyd("keygen", "--role", "server", "--out", backups / "server.key")
        self.finds("backup-does-not-start", "error", saying="newest root")
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        shutil.copy(self.server.data / "mpyd.db", elsewhere / "copy.db")
        self.finds("backup-without-key", "error", "--backups", elsewhere, saying="copy.db")

    def test_a_server_that_would_not_start_on_what_is_stored(self):
        self.server.stop()
        database = sqlite3.connect(self.server.data / "mpyd.db")
        database.execute("DELETE FROM policy_entries")
        database.commit()
        database.close()
        self.finds("server-does-not-start", "error")

    def test_a_server_key_open_to_others_is_one_finding_with_one_mend(self):
        os.chmod(self.server.data / "server.key", 0o644)
        _, found, report = self.doctor()
        self.assertEqual(list(found), ["readable-by-others"])
        self.assertEqual(len(report["findings"]), 1)
        self.assertTrue(found["readable-by-others"]["mend"].startswith("chmod 600"))

    def test_a_server_that_does_not_answer_is_one_finding_beside_the_others(self):
        self.server.stop()
        os.chmod(self.safe / "targets.key", 0o644)
        code, found, report = self.doctor("--keys", self.safe, "--server", self.server.url, "--root", self.server.root)
        self.assertEqual((code, sorted(found)), (1, ["readable-by-others", "server-unreachable"]))
        self.assertEqual(len(report["findings"]), 2)

    def test_a_server_from_the_environment_needs_no_root(self):
        environment = {"MPYD_SERVER": self.server.url}
        alone = live.mpyd("doctor", "--data", self.server.data, token_file=self.server.token_file, env=environment)
        self.assertIn("not at " + self.server.url, alone.stdout)
        keys = live.mpyd("doctor", "--keys", self.safe, token_file=self.server.token_file, env=environment)
        self.assertIn(self.server.url + ": its clock", keys.stdout)

    def test_retired_keys_may_be_destroyed(self):
        new = self.safe / "targets-2.key"
        live.mpyd("keygen", "--role", "targets", "--out", new)
        self.assertEqual(self.doctor("--keys", self.safe)[1], {})  # a key that waits for its root is no ailment
        self.trust("rotate", "targets", "--remove", f"{self.safe / 'targets.key'}.pub", "--add", f"{new}.pub", "--key",
                   self.safe / "root.key")
        self.trust("restore", "--from-server", "--key", new)
        self.finds("retired-key", "warning", "--keys", self.safe, saying="targets.key")

    def test_what_an_interrupted_write_left_is_found_and_removed_at_the_next_start(self):
        left = self.server.data / "server.key.next.a1B2c3"
        shutil.copy(self.server.data / "server.key", left)
        os.link(self.server.data / "server.key", self.server.data / "server.key.Zz9Zz9")
        copy = self.server.data / "server.key.backup"
        shutil.copy(self.server.data / "server.key", copy)
        self.finds("unfinished-file", "warning")
        self.server.stop()
        self.server.start()
        self.assertFalse(left.exists())
        self.assertFalse((self.server.data / "server.key.Zz9Zz9").exists())
        self.assertTrue(copy.exists())  # somebody's copy, however it is called

    def test_a_replaced_server_key_that_packages_still_need_is_kept_and_told_of(self):
        self.server.publisher = self.safe / "publisher.key"
        self.publish("one", "1.0.0")
        database = sqlite3.connect(self.server.data / "mpyd.db")
        block = bytearray(database.execute("SELECT key_block FROM packages").fetchone()[0])
        block[-1] ^= 1
        database.execute("UPDATE packages SET key_block = ?", (bytes(block),))
        database.commit()
        database.close()
        old = (self.server.data / "server.key").read_bytes()
        said = self.trust("rotate", "server", "--key", self.safe / "root.key")
        self.assertIn("server.key.old", said.stdout)
        kept = self.server.data / "server.key.old"
        self.assertEqual((kept.read_bytes(), kept.stat().st_mode & 0o777), (old, 0o600))
        self.finds("old-server-key", "warning", saying="server.key.old")
        again = self.trust("rotate", "server", "--key", self.safe / "root.key")
        self.assertNotIn("server.key.old", again.stdout)  # nothing was sealed to that one

    def test_a_policy_that_nobody_can_sign(self):
        (self.safe / "targets.key").rename(self.folder.parent / f"{self.folder.name}.moved")
        self.addCleanup(os.unlink, self.folder.parent / f"{self.folder.name}.moved")
        self.finds("nobody-can-sign", "error", "--keys", self.safe)

    def test_an_epoch_without_a_policy(self):
        self.trust("rotate", "targets", "--key", self.safe / "root.key")
        self.finds("no-policy", "error")


if __name__ == "__main__":
    unittest.main()
