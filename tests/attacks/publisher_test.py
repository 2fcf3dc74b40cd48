#!/usr/bin/python3
"""Attacks by publishers, on publishers, and with what is published. Names start with the attack's id."""

import hashlib
import json
import os
import shutil
import socket
import unittest
import urllib.request

import scene
from scene import live

VERIFICATION = 6


class Publishing(scene.Scene):
    def publish_json(self, *files, **options):
        return json.loads(self.server.publish(*files, more=("--json", *options.pop("more", ())), **options).stdout)

    def releases(self):
        return json.loads(self.server.admin("release", "list", "--json").stdout)["releases"]

    def test_A35_a_file_that_changes_while_it_is_published_was_read_once_and_before(self):
        file = self.make_driver("watched", scene.CANARY + " as checked")
        other = self.make_driver("swapped", scene.STRANGER)
        wire = live.Wire(self.server.ports[1])
        self.addCleanup(wire.close)

        def swap(data, _offset, _request):
            os.replace(shutil.copy(other, self.folder / "new.mpy"), file)
            return data

        wire.tamper = swap  # with the first answer of the server, and every one after it
        live.mpyd("publish", file, "--hardware-id", live.HARDWARE_ID, "--name", "thermo", "--version", "3.0.0", "--key",
                  self.server.publisher, "--root", self.server.root, "--server", f"http://127.0.0.1:{wire.port}",
                  token_file=self.server.token_file)
        self.assertEqual(file.read_bytes(), other.read_bytes())
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)
        self.assertIn(scene.CANARY + " as checked", self.said(board))
        self.assertNotIn(scene.STRANGER, self.said(board))

    def test_A35_what_is_no_file_is_not_read_at_all(self):
        pipe = self.folder / "pipe.mpy"
        os.mkfifo(pipe)
        done = self.server.publish(pipe, version="3.0.0", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not a regular file", done.stderr)

    def test_A35_the_digest_that_publish_shows_is_the_one_that_is_stored_and_signed(self):
        shown = self.publish_json(self.make_driver("shown", "canary: shown"), version="3.0.0")["packages"][0]["digest"]
        (stored,) = [v["digest"] for r in self.releases() if r["version"] == "3.0.0" for v in r["variants"]]
        self.assertEqual(shown, stored)
        body = urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/v1/packages/{shown}", timeout=20).read()
        self.assertEqual(hashlib.sha256(body).hexdigest(), shown)

    def test_A18_a_release_of_which_one_file_is_bad_is_not_there_at_all(self):
        good = self.make_driver("good", "canary: good")
        bad = self.folder / "bad.mpy"
        bad.write_bytes(good.read_bytes()[:-9])
        done = self.server.publish(good, bad, version="4.0.0", check=False)
        self.assertEqual(done.returncode, VERIFICATION, done.stderr)
        self.assertNotIn("4.0.0", [r["version"] for r in self.releases()])
        # The same when only the server could see it: half of the last package is missing on the way.
        package = self.pack(good, self.server.publisher, version="4.0.0", release=4, more=())
        package.write_bytes(package.read_bytes()[:-200])
        self.assertNotEqual(self.server.publish(package, version="4.0.0", check=False).returncode, 0)
        self.assertNotIn("4.0.0", [r["version"] for r in self.releases()])

    def test_A17_a_driver_that_wants_more_than_the_firmware_has_is_refused_and_nothing_is_fetched_for_it(self):
        needy = self.make_driver("needy", scene.STRANGER)
        self.server.publish(needy, version="5.0.0", more=("--requires", "ssl_of_somebody", "--release", "50"))
        board = self.motherboard()
        board.plug(0, self.image)
        refused = board.wait_event("refused", slot=0)
        self.assertEqual(refused["error"], "missing_module")
        self.assertIn("ssl_of_somebody", refused["detail"])
        self.assertNotIn("canary", self.said(board))

    def test_A37_names_that_lead_elsewhere_are_no_names(self):
        driver = self.make_driver("named", "canary: named")
        for name in ("../thermo", "a/../../b", "thermo/x", ".", "..", "-x", "x" * 4096, "th\u00e9rmo", "a b", ""):
            with self.subTest(name=name[:20]):
                done = self.server.publish(driver, name=name, version="6.0.0", check=False)
                self.assertIn(done.returncode, (2, 6), done.stdout + done.stderr)
        for hardware_id in ("hat:../..:0042", "hat:a/b:0042", "hat:" + "x" * 200 + ":0042", "hat:%00:0042x" * 20):
            with self.subTest(hardware_id=hardware_id[:20]):
                done = self.server.publish(driver, hardware_id=hardware_id, version="6.0.0", check=False)
                self.assertIn(done.returncode, (2, 6), done.stdout + done.stderr)
        # The widest that a hardware ID may say stays one file name in the cache and in a folder of packages.
        odd = "hat:..%2F..%2Fetc%2Fpasswd:0042"
        self.server.delegate(odd, "odd")
        source = self.folder / "odd"
        source.mkdir()
        (source / "odd.py").write_text(scene.driver_text(scene.CANARY))
        odd_driver = live.build_driver(source, self.folder / "odd-built", "odd")["any"]
        self.server.publish(odd_driver, hardware_id=odd, name="odd")
        board = self.motherboard()
        board.plug(0, self.make_image(hardware_id=odd))
        board.wait_event("loaded", slot=0)
        self.assertTrue(all("/" not in str(p.relative_to(board.cache)) for p in board.cache.rglob("*")))

    def test_A37_no_path_of_a_request_leads_to_a_file_of_the_server(self):
        secret = (self.server.data / "server.key").read_bytes()[9:]
        for path in ("/../../server.key", "/v1/packages/../../server.key", "/v1/packages/%2e%2e%2f%2e%2e%2fserver.key",
                     "/v1/packages/..%00", "/v1/device/root/../../server.key", "//etc/passwd", "/" + "../" * 40 + "etc/passwd"):
            with self.subTest(path=path), socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while piece := client.recv(65536):
                    answer += piece
                self.assertRegex(answer, rb"^HTTP/1\.1 4\d\d ")
                self.assertNotIn(secret[:32], answer)
                self.assertNotIn(b"root:", answer)

    def test_A16_a_package_of_another_board_is_refused_on_a_motherboard_that_is_handed_it(self):
        other = "hat:Meadow%20Instruments:0666"
        self.server.delegate(other, "thermo")
        out = self.folder / "other"
        out.mkdir()
        live.mpyd("pack", self.driver, "--hardware-id", other, "--name", "thermo", "--version", "1.0.0", "--release", 1,
                  "--key", self.server.publisher, "--root", self.server.root, "--public", "--out-dir", out)
        board = self.motherboard()
        board.plug(0, self.image)
        board.wait_event("loaded", slot=0)
        board.stop()
        self.server.kill()
        (honest,) = board.cache.glob("p-*")
        honest.unlink()
        package = next(out.glob("*.mpkg")).read_bytes()  # public: no key block behind it
        (board.cache / (honest.name[:16] + hashlib.sha256(package).hexdigest())).write_bytes(package)
        board.start()
        self.assertEqual(board.wait_event("refused", slot=0)["error"], "wrong_hardware")
        self.assert_nothing_ran(board)
        self.server.start()


if __name__ == "__main__":
    unittest.main(verbosity=2)
