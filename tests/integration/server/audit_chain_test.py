#!/usr/bin/python3
"""The audit log is a chain: what was changed, removed or reordered beside mpyd is found, with its number."""

import json
import shutil
import sqlite3
import unittest

from support import live

ROWS = 12


class AuditChain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = live.temporary_folder()
        cls.addClassCleanup(shutil.rmtree, cls.made)
        server = live.Server(cls.made).start()
        cls.addClassCleanup(server.stop)
        for number in range(ROWS - 2):  # init, and its token
            server.admin("token", "create", "--name", f"t{number}", "--scope", "read")
        server.stop()

    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        shutil.copytree(self.made, self.folder / "copy")
        self.server = live.Server.__new__(live.Server)
        self.server.data, self.server.keys = self.folder / "copy/server", self.folder / "copy/keys"
        self.server.token_file, self.server.process, self.server.ports = self.server.keys / "admin.token", None, None
        self.addCleanup(self.server.stop)

    def sql(self, *statements):
        database = sqlite3.connect(self.server.data / "mpyd.db")
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    def head(self):
        return live.mpyd("audit", "head", "--data", self.server.data).stdout.strip()

    def verify(self, *more):
        """The verdict off line, and that of the running server, which must be the same."""
        off_line = live.mpyd("audit", "verify", "--data", self.server.data, "--json", *more, check=False)
        self.server.start()
        on_line = self.server.admin("audit", "verify", "--json", *more, check=False)
        self.server.stop()
        self.assertEqual((off_line.returncode, off_line.stdout), (on_line.returncode, on_line.stdout))
        said = json.loads(off_line.stdout)
        self.assertEqual(off_line.returncode, 0 if said["intact"] else 6)
        return said

    def assert_found(self, problem, row, *more):
        said = self.verify(*more)
        self.assertFalse(said["intact"])
        self.assertEqual((said["problem"], said["row"]), (problem, row), said)
        shown = live.mpyd("audit", "verify", "--data", self.server.data, *more, check=False).stdout
        self.assertIn(said["message"], shown)

    def test_an_untouched_log_is_intact_and_has_the_noted_head(self):
        head = self.head()
        self.assertTrue(head.startswith(f"{ROWS}:"), head)
        said = self.verify("--head", head)
        self.assertEqual((said["intact"], said["rows"], said["head"]), (True, ROWS, head))
        self.server.start()
        shown = self.server.admin("audit")
        self.assertIn(head, shown.stderr)
        self.assertEqual(json.loads(self.server.admin("audit", "--json").stdout)["head"], head)
        self.assertEqual(self.server.admin("audit", "head").stdout.strip(), head)
        self.server.admin("token", "create", "--name", "later", "--scope", "read")
        self.assertTrue(json.loads(self.server.admin("audit", "verify", "--head", head, "--json").stdout)["intact"])
        self.server.stop()

    def test_a_changed_row_is_found(self):
        for column, value in (("time_unix_s", "1"), ("actor", "'token:x'"), ("action", "'x'"), ("subject", "'x'"), ("detail", "'{\"a\":1}'")):
            with self.subTest(column):
                self.sql(f"UPDATE audit SET {column} = {value} WHERE id = 5")
                self.assert_found("changed", 5)
                shutil.copy(self.made / "server/mpyd.db", self.server.data / "mpyd.db")

    def test_the_last_row_is_as_well_guarded_as_the_others(self):
        self.sql(f"UPDATE audit SET subject = 'x' WHERE id = {ROWS}")
        self.assert_found("changed", ROWS)

    def test_a_removed_row_is_found(self):
        self.sql("DELETE FROM audit WHERE id = 4")
        self.assert_found("missing", 4)

    def test_a_removed_row_is_found_when_the_others_moved_up(self):
        self.sql("DELETE FROM audit WHERE id = 4", "UPDATE audit SET id = id - 1 WHERE id > 4",
                 f"UPDATE sqlite_sequence SET seq = {ROWS - 1} WHERE name = 'audit'")
        self.assert_found("reordered", 4)

    def test_reordered_rows_are_found(self):
        self.sql("UPDATE audit SET id = 1000 WHERE id = 4", "UPDATE audit SET id = 4 WHERE id = 7", "UPDATE audit SET id = 7 WHERE id = 1000")
        self.assert_found("reordered", 4)

    def test_a_cut_off_end_is_found_with_the_last_known_head(self):
        head = self.head()
        self.sql(f"DELETE FROM audit WHERE id > {ROWS - 3}", f"UPDATE sqlite_sequence SET seq = {ROWS - 3} WHERE name = 'audit'")
        self.assertTrue(self.verify()["intact"])
        self.assert_found("truncated", ROWS - 2, "--head", head)

    def test_a_log_that_goes_on_after_its_end_was_cut_off_is_found(self):
        head = self.head()
        self.sql(f"DELETE FROM audit WHERE id > {ROWS - 3}")
        self.server.start()
        self.server.admin("token", "create", "--name", "later", "--scope", "read")
        self.server.stop()
        self.assert_found("missing", ROWS - 2)
        self.sql(f"DELETE FROM audit WHERE id > {ROWS - 3}", f"UPDATE sqlite_sequence SET seq = {ROWS - 3} WHERE name = 'audit'")
        self.server.start()
        for number in range(5):
            self.server.admin("token", "create", "--name", f"other{number}", "--scope", "read")
        self.server.stop()
        self.assertTrue(self.verify()["intact"])
        self.assert_found("rewritten", ROWS, "--head", head)

    def test_rows_before_the_first_are_found(self):
        for number in (0, -5):
            with self.subTest(number):
                self.sql(f"INSERT INTO audit SELECT {number}, time_unix_s, actor, action, subject, detail, previous, hash FROM audit WHERE id = 3")
                self.assert_found("foreign", 0)
        self.assertTrue(self.head().startswith(f"{ROWS}:"))

    def test_a_row_of_the_highest_number_is_found_and_is_told_as_what_keeps_the_log_from_going_on(self):
        highest = 2 ** 63 - 1
        self.sql(f"INSERT INTO audit SELECT {highest}, time_unix_s, actor, action, subject, detail, previous, hash FROM audit WHERE id = 3",
                 f"UPDATE sqlite_sequence SET seq = {ROWS} WHERE name = 'audit'")
        self.assert_found("missing", ROWS + 1)
        done = live.mpyd("token", "rescue", "--data", self.server.data, "--name", "later", "--out", self.folder / "later.token", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"numbered up to {highest}", done.stderr)
        self.assertNotIn("there is a token named", done.stderr)
        self.server.start()
        done = self.server.admin("token", "create", "--name", "later", "--scope", "read", check=False)
        self.assertIn("internal", done.stderr)
        shown = json.loads(self.server.admin("audit", "--json").stdout)["events"]
        self.assertIn(highest, [event["id"] for event in shown])

    def test_all_that_was_ever_is_listed_for_a_time_before_the_first_clock(self):
        self.server.start()
        events = json.loads(self.server.admin("audit", "--since", "5200w", "--json").stdout)["events"]
        self.assertEqual(len(events), ROWS)

    def test_a_head_that_every_log_has_is_refused(self):
        done = live.mpyd("audit", "verify", "--data", self.server.data, "--head", "0:" + "f" * 64, check=False)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertTrue(self.verify("--head", "0:" + "0" * 64)["intact"])

    def test_what_is_no_head_is_refused(self):
        done = live.mpyd("audit", "verify", "--data", self.server.data, "--head", "12", check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("NUMBER:HASH", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
