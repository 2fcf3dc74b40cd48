"""A server in hostile hands hands out another policy than the one in force: the signing tools name what it did."""

import base64
import http.server
import json
import threading
import unittest

from support import HARDWARE_ID, VERIFICATION, Scene, live

FIRST, SECOND, THIRD = "hat:a:0001", "hat:a:0002", "hat:a:0003"


class Liar:
    """Answers GET /v1/admin/trust with what it was told to, and remembers what anybody tried to change."""

    def __init__(self, answer):
        liar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply(200, liar.answer if self.path == "/v1/admin/trust" else {"releases": []})

            def do_PUT(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                liar.changes.append(self.path)
                self.reply(200, {"epoch": 1, "version": 1})

            do_POST = do_PUT

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments):
                pass

        self.answer = answer
        self.changes = []
        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()


class LyingServer(Scene):
    def setUp(self):
        super().setUp()
        self.key = self.keys / "targets.key"
        # Three entries, the second with a floor that was raised once.
        self.delegate(FIRST)
        self.delegate(SECOND)
        self.older = self.documents()
        self.trust("floor", "--hardware", SECOND, "--release", 7, "--key", self.key)
        self.delegate(THIRD)
        self.honest = self.documents()
        self.liar = Liar(dict(self.honest))
        self.addCleanup(self.liar.close)

    def delegate(self, hardware_id):
        self.trust("delegate", "--hardware", hardware_id, "--name", "thermo", "--publisher",
                   f"{self.server.publisher}.pub", "--key", self.key)

    def documents(self):
        """What the honest server hands out."""
        out = self.folder / "honest.mpyd"
        self.server.admin("trust", "export", "--root", self.server.root, "--out", out)
        said = json.loads(out.read_text())
        return {name: said.get(name) for name in ("roots", "head", "entries")}

    def entry_of(self, hardware_id, documents):
        return next(e for e in documents["entries"] if hardware_id.encode() in base64.b64decode(e))

    def asks_liar(self, *arguments):
        """The command against the liar: refused, nothing sent."""
        done = live.mpyd("trust", *arguments, "--server", self.liar.url, "--root", self.server.root,
                         token_file=self.server.token_file, check=False)
        self.assertEqual(done.returncode, VERIFICATION, done.stdout + done.stderr)
        self.assertEqual(self.liar.changes, [])
        return done.stderr

    def every_tool_says(self, *words):
        new = self.folder / "new"
        for arguments in (
                ("delegate", "--hardware", "hat:a:0009", "--name", "thermo", "--publisher",
                 f"{self.server.publisher}.pub", "--key", self.key, "--yes"),
                ("floor", "--hardware", FIRST, "--release", 2, "--key", self.key, "--yes"),
                ("renew", "--key", self.key, "--yes"),
                ("export", "--key", self.key, "--out", new)):
            with self.subTest(command=arguments[0]):
                said = self.asks_liar(*arguments)
                for word in words:
                    self.assertIn(word, said)
        self.assertFalse(new.exists())

    def test_A07_an_entry_that_is_dropped_is_named(self):
        self.liar.answer["entries"] = [e for e in self.honest["entries"] if e != self.entry_of(SECOND, self.honest)]
        self.every_tool_says(f"{SECOND} was dropped")

    def test_A21_an_entry_that_is_added_is_named(self):
        other = self.entry_of(FIRST, self.honest)
        forged = base64.b64encode(base64.b64decode(other).replace(FIRST.encode(), b"hat:z:0001")).decode()
        self.liar.answer["entries"] = self.honest["entries"] + [forged]
        self.every_tool_says("hat:z:0001 was added")

    def test_A06_an_entry_that_is_rolled_back_is_named_with_both_floors(self):
        old, new = self.entry_of(SECOND, self.older), self.entry_of(SECOND, self.honest)
        self.liar.answer["entries"] = [old if e == new else e for e in self.honest["entries"]]
        self.every_tool_says(SECOND, "went back to floor release 0 from 7")

    def test_A06_a_whole_older_policy_is_refused_and_says_what_is_missing(self):
        self.liar.answer = dict(self.older)
        self.every_tool_says(f"{THIRD} was dropped", "went back to floor release 0 from 7")

    def test_A08_a_server_without_any_policy_is_refused(self):
        self.liar.answer.update(head=None, entries=[])
        self.every_tool_says(f"{FIRST} was dropped")

    def test_a_head_signed_elsewhere_is_shown_and_taken_only_when_its_version_is_named(self):
        # Another holder of the key signs two versions that this one never saw.
        kept = self.key.with_name("targets.key.head")
        mine = kept.read_bytes()
        self.trust("revoke", "--publisher", f"{self.server.publisher}.pub", "--key", self.key)
        self.delegate_new("hat:b:0001")
        kept.write_bytes(mine)
        stopped = self.trust("renew", "--key", self.key, check=False)
        self.assertEqual(stopped.returncode, VERIFICATION)
        self.assertIn("hat:b:0001 was added", stopped.stderr)
        self.assertIn("was revoked", stopped.stderr)
        version = self.shown()["head"]["version"]
        wrong = self.trust("renew", "--key", self.key, "--base-version", version - 1, check=False)
        self.assertEqual(wrong.returncode, VERIFICATION)
        taken = self.trust("renew", "--key", self.key, "--base-version", version)
        self.assertIn("hat:b:0001", taken.stderr)
        self.assertEqual(self.shown()["head"]["version"], version + 1)

    def delegate_new(self, hardware_id):
        new = self.server.new_publisher("publisher-2")
        self.trust("delegate", "--hardware", hardware_id, "--name", "thermo", "--publisher", f"{new}.pub", "--key", self.key)

    def test_approving_what_nobody_published_is_allowed_and_said(self):
        done = self.trust("approve", "--hardware", FIRST, "--digest", "ab" * 32, "--key", self.key)
        self.assertIn("WARNING: the server has no package abab", done.stderr)
        self.assertEqual(self.shown()["entries"][0]["approved_digests"], ["ab" * 32])


if __name__ == "__main__":
    unittest.main()
