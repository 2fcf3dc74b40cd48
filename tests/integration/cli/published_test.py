"""What is published: mpyd search, info, diff and pull, against a real daemon."""

import hashlib
import http.client
import http.server
import json
import threading
import unittest

from support import CONFLICT, HARDWARE_ID, NOT_FOUND, USAGE, VERIFICATION, CliTest, driver, live

OTHER_ID = "hat:Meadow%20Instruments:0043"


class Published(CliTest):
    def setUp(self):
        super().setUp()
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        for hardware_id in (HARDWARE_ID, OTHER_ID):
            self.server.delegate(hardware_id)
        for version in ("1.0.0", "1.1.0"):
            self.server.publish(driver(version=version), version=version)
        self.server.publish(driver(), hardware_id=OTHER_ID, more=("--public",))
        self.out = self.folder / "out"

    def admin_json(self, *args):
        return self.run_json(*args, "--server", self.server.url, token_file=self.server.token_file)

    def admin_fails(self, code, *args, **kwargs):
        return self.run_fails(code, *args, "--server", self.server.url, token_file=self.server.token_file, **kwargs)

    def other_server(self):
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        return live.Server(elsewhere)

    def yank(self, version):
        self.server.admin("release", "yank", "--hardware-id", HARDWARE_ID, "--version", version)

    def digest(self, version, hardware_id=HARDWARE_ID):
        (driver,) = self.admin_json("info", f"{hardware_id}@{version}")["drivers"]
        return driver["releases"][0]["variants"][0]["digest"]

    # search

    def found(self, *text):
        return self.admin_json("search", *text)["drivers"]

    def test_a_part_of_a_name_or_of_a_hardware_id_finds_a_driver(self):
        for text in ((), ("THERM",), ("meadow instruments",), ("Meadow%20",), ("hat:",)):
            self.assertEqual([each["hardware_id"] for each in self.found(*text)], [HARDWARE_ID, OTHER_ID], text)
        (one,) = self.found(HARDWARE_ID)
        self.assertEqual(one, {"hardware_id": HARDWARE_ID, "driver_name": "thermo", "version": "1.1.0", "release": 2,
                               "abis": ["6-any"], "yanked": False, "deprecated": False, "releases": 2})
        self.assertEqual([each["hardware_id"] for each in self.found(":0043")], [OTHER_ID])

    def test_what_is_yanked_is_not_the_newest_unless_all_is(self):
        self.yank("1.1.0")
        self.assertEqual([(each["version"], each["yanked"]) for each in self.found(HARDWARE_ID)], [("1.0.0", False)])
        self.yank("1.0.0")
        self.assertEqual([(each["version"], each["yanked"]) for each in self.found(HARDWARE_ID)], [("1.1.0", True)])

    def test_nothing_found_is_no_failure(self):
        done = self.server.admin("search", "gyroscope")
        self.assertIn("nothing that is published matches 'gyroscope'", done.stderr)
        self.assertEqual(self.found("gyroscope"), [])

    # info

    def test_info_tells_releases_and_policy(self):
        one, other = self.admin_json("info", "thermo")["drivers"]
        self.assertEqual((one["hardware_id"], other["hardware_id"]), (HARDWARE_ID, OTHER_ID))
        self.assertEqual([(each["version"], each["release"]) for each in one["releases"]], [("1.1.0", 2), ("1.0.0", 1)])
        self.assertEqual(one["policy"]["publisher_keys"], [live.mpyd("inspect", f"{self.server.publisher}.pub").stdout.split()[-2]])
        self.assertFalse(one["policy_verified"])
        text = self.server.admin("info", f"{HARDWARE_ID}@1.0.0", "--root", self.server.root)
        self.assertIn("1.0.0", text.stdout)
        self.assertNotIn("1.1.0", text.stdout)
        self.assertNotIn("--root", text.stderr)
        self.assertTrue(self.admin_json("info", HARDWARE_ID, "--root", self.server.root)["drivers"][0]["policy_verified"])

    def test_who_may_publish_what_nobody_published_yet_is_told(self):
        self.server.delegate("hat:Acme:0001", "relays")
        for name in ("hat:Acme:0001", "relays"):
            (one,) = self.admin_json("info", name)["drivers"]
            self.assertEqual((one["driver_name"], one["releases"], len(one["policy"]["publisher_keys"])), ("relays", [], 1))
        self.assertIn("nothing is published yet", self.server.admin("info", "relays").stdout)
        self.admin_fails(NOT_FOUND, "info", "relays@1.0.0")

    def test_info_under_another_root_is_refused(self):
        other = self.other_server()
        self.admin_fails(VERIFICATION, "info", "thermo", "--root", other.root, saying="another root")

    # diff

    def test_two_modules_differ_in_their_names(self):
        said = self.run_json("diff", driver(), driver(version="1.1.0"))
        self.assertFalse(said["same"])
        names = said["fields"]["names"]
        self.assertEqual(set(names["b"]) - set(names["a"]), {"VERSION"})
        self.assertIn("+VERSION", self.run_ok("diff", driver(), driver(version="1.1.0")).stdout)
        self.assertTrue(self.run_json("diff", driver(), driver())["same"])

    def test_two_releases_differ_in_what_their_manifests_say(self):
        said = self.admin_json("diff", f"{HARDWARE_ID}@1.0.0", f"{HARDWARE_ID}@1.1.0")
        self.assertEqual(said["fields"], {"version": {"a": "1.0.0", "b": "1.1.0"}, "release": {"a": 1, "b": 2}})
        variant = said["variants"]["6-any"]
        self.assertEqual((variant["digest"]["a"], variant["digest"]["b"]), (self.digest("1.0.0"), self.digest("1.1.0")))
        self.assertTrue(said["sealed"])
        self.assertNotIn("names", variant, "what is sealed is not opened")
        self.yank("1.1.0")
        again = self.admin_json("diff", f"{HARDWARE_ID}@1.0.0", f"{HARDWARE_ID}@1.1.0")
        self.assertEqual(again["variants"]["6-any"]["yanked"], {"a": False, "b": True})

    def test_public_packages_are_looked_into(self):
        for version in ("1.0.0", "1.1.0"):
            self.run_ok("pack", driver(version=version), "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", version,
                        "--release", 1, "--public", "--key", self.server.publisher, "--out-dir", self.folder)
        said = self.run_json("diff", self.folder / "thermo-1.0.0-6-any.mpkg", self.folder / "thermo-1.1.0-6-any.mpkg")
        self.assertFalse(said["sealed"])
        self.assertIn("VERSION", said["variants"]["6-any"]["names"]["b"])

    def test_only_things_of_one_kind_are_compared(self):
        self.admin_fails(USAGE, "diff", driver(), f"{HARDWARE_ID}@1.0.0", saying="mpyd pack")
        self.admin_fails(USAGE, "diff", "thermo@1.0.0", "thermo@1.0.0", saying=f"name the board: {HARDWARE_ID}@1.0.0")
        self.run_fails(NOT_FOUND, "diff", "old.mpy", driver(), saying="there is no file old.mpy")
        text = self.folder / "text"
        text.write_text("hello")
        self.run_fails(VERIFICATION, "diff", text, driver(), saying="mpyd inspect")

    # pull

    def pull_arguments(self, name, *more):
        return ("pull", name, "--out", self.out, "--root", self.server.root, *more)

    def test_pull_gets_what_was_published_and_it_can_be_published_again(self):
        (package,) = self.admin_json(*self.pull_arguments(f"{HARDWARE_ID}@1.0.0"))["packages"]
        file = self.out / "thermo-1.0.0-6-any.mpkg"
        self.assertEqual((package["file"], package["digest"]), (str(file), self.digest("1.0.0")))
        bytes_of_package = file.read_bytes()[:package["package_bytes"]]
        self.assertEqual(hashlib.sha256(bytes_of_package).hexdigest(), package["digest"])
        self.assertTrue(package["recipient_key_ids"])
        self.run_ok("inspect", file)
        (again,) = json.loads(self.server.publish(file, more=("--json",)).stdout)["packages"]
        self.assertEqual((again["status"], again["digest"]), ("exists", package["digest"]))
        # The newest without a version; what is there already stays.
        self.admin_json(*self.pull_arguments(HARDWARE_ID))
        self.assertEqual(sorted(each.name for each in self.out.iterdir()), ["thermo-1.0.0-6-any.mpkg", "thermo-1.1.0-6-any.mpkg"])
        again = self.server.admin(*self.pull_arguments(self.digest("1.0.0")))
        self.assertIn("was there already", again.stderr)

    def test_pull_never_replaces_a_file(self):
        self.out.mkdir()
        (self.out / "thermo-1.0.0-6-any.mpkg").write_text("mine")
        self.admin_fails(CONFLICT, *self.pull_arguments(f"{HARDWARE_ID}@1.0.0"), saying="holds something else")
        self.assertEqual((self.out / "thermo-1.0.0-6-any.mpkg").read_text(), "mine")

    def test_pull_takes_abis_that_are_there(self):
        self.admin_json(*self.pull_arguments(f"{HARDWARE_ID}@1.0.0", "--abi", "6-any"))
        self.admin_fails(NOT_FOUND, *self.pull_arguments(f"{HARDWARE_ID}@1.0.0", "--abi", "6.3-armv7m"), saying="it is there for 6-any")
        self.admin_fails(NOT_FOUND, *self.pull_arguments("0" * 64))
        self.admin_fails(USAGE, *self.pull_arguments("0" * 64, "--abi", "6-any"), saying="leave --abi out")

    def test_a_yanked_release_is_pulled_by_its_version_only(self):
        self.yank("1.0.0")
        self.yank("1.1.0")
        self.admin_fails(NOT_FOUND, *self.pull_arguments(HARDWARE_ID), saying="every release")
        done = self.server.admin(*self.pull_arguments(f"{HARDWARE_ID}@1.0.0"))
        self.assertIn("is yanked", done.stderr)

    def liar(self, lie):
        """The admin API through a proxy; `lie(path, body, headers)` returns the body that is passed on."""
        target = self.server.ports[1]

        class Proxy(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                ask = http.client.HTTPConnection("127.0.0.1", target, timeout=20)
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
                ask.request(self.command, self.path, sent or None, kept)
                answer = ask.getresponse()
                headers = {"Content-Type": answer.headers["Content-Type"]}
                body = lie(self.path, answer.read(), headers)
                self.send_response(answer.status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                ask.close()

            do_POST = do_GET

            def log_message(self, *args):
                pass

        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        return ("--server", f"http://127.0.0.1:{proxy.server_port}")

    def test_what_was_not_asked_for_is_not_pulled_whatever_the_server_lists(self):
        old, new, other = self.digest("1.0.0"), self.digest("1.1.0"), self.digest("1.0.0", OTHER_ID)
        asked = f"{HARDWARE_ID}@1.1.0"
        swaps = ((new, old), (new, other), ('"abi":"6-any"', '"abi":"6.3-armv7m"'), (HARDWARE_ID, OTHER_ID), ('"thermo"', '"hygro"'),
                 ('"1.1.0"', '"9.9.9"'), ('"1.0.0"', '"1.1.0"'))
        for true, false in swaps:
            with self.subTest(swap=(true, false)):
                def lie(path, body, headers):
                    return body.replace(true.encode(), false.encode()) if path.startswith("/v1/admin/releases") else body
                through = self.liar(lie)
                name = HARDWARE_ID if true == '"1.1.0"' else f"{HARDWARE_ID}@1.1.0"
                if true == '"1.0.0"':  # the older one, of the same name
                    def lie(path, body, headers):
                        if not path.startswith("/v1/admin/releases"):
                            return body
                        listed = json.loads(body)
                        listed["releases"] = [{**each, "version": "1.1.0"} for each in listed["releases"] if each["version"] == "1.0.0"]
                        return json.dumps(listed).encode()
                    through = self.liar(lie)
                done = self.run_fails(VERIFICATION, *self.pull_arguments(name), *through, token_file=self.server.token_file)
                self.assertTrue(self.nothing_kept(), done.stderr)
                self.run_fails(VERIFICATION, "diff", name, name, *through, token_file=self.server.token_file)
        self.admin_json(*self.pull_arguments(asked))

    def test_a_list_without_end_is_no_list(self):
        def empty(path, body, headers):
            headers["Link"] = f'<{path.split("&after")[0]}&after=x>; rel="next"'
            return b'{"releases":[]}'

        def same(path, body, headers):
            headers["Link"] = f'<{path}>; rel="next"'
            return body

        for lie in (empty, same):
            with self.subTest(lie.__name__):
                self.run_fails(VERIFICATION, "info", "thermo", *self.liar(lie), token_file=self.server.token_file, saying="leads nowhere")

    def test_a_server_cannot_use_up_the_numbers_of_a_drivers_releases(self):
        publish = ("publish", driver(version="1.2.0"), "--hardware-id", HARDWARE_ID, "--name", "thermo", "--version", "1.2.0", "--key",
                   self.server.publisher, "--root", self.server.root)
        for true, false in (('"highest_release":2', '"highest_release":4294967294'),
                            ('"existing_release":null', '"existing_release":4294967295')):
            through = self.liar(lambda path, body, headers: body.replace(true.encode(), false.encode()))
            done = self.run_fails(VERIFICATION, *publish, *through, token_file=self.server.token_file, saying="--release N")
            self.assertIn("nothing was signed", done.stderr)
        self.assertEqual(self.admin_json(*publish)["release"], 3)

    def nothing_kept(self):
        return not self.out.exists() or not list(self.out.iterdir())

    def test_what_trust_refuses_gets_no_name(self):
        policy = ("--key", self.server.keys / "targets.key", "--root", self.server.root, "--yes")
        self.server.admin("trust", "revoke", "--hardware-id", HARDWARE_ID, "--digest", self.digest("1.0.0"), *policy)
        self.admin_fails(VERIFICATION, *self.pull_arguments(f"{HARDWARE_ID}@1.0.0"), saying="revoked")
        self.server.admin("trust", "revoke", "--publisher", f"{self.server.publisher}.pub", *policy)
        self.admin_fails(VERIFICATION, *self.pull_arguments(f"{HARDWARE_ID}@1.1.0"), saying="revoked")
        other = self.other_server()
        self.admin_fails(VERIFICATION, "pull", f"{HARDWARE_ID}@1.1.0", "--out", self.out, "--root", other.root, saying="another root")
        self.assertTrue(self.nothing_kept())

    def test_a_package_changed_on_its_way_gets_no_name(self):
        wire = live.Wire(self.server.ports[1])
        self.addCleanup(wire.close)

        def flip(data, offset, request):
            if not request.startswith(b"GET /v1/admin/packages/") or len(data) < 600:
                return data
            return data[:560] + bytes([data[560] ^ 1]) + data[561:]

        wire.tamper = flip
        self.run_fails(VERIFICATION, *self.pull_arguments(f"{HARDWARE_ID}@1.0.0"), "--server", f"http://127.0.0.1:{wire.port}",
                       token_file=self.server.token_file)
        self.assertTrue(self.nothing_kept())


if __name__ == "__main__":
    unittest.main()
