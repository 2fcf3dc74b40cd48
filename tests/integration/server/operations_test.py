#!/usr/bin/python3
"""What operators see of a running daemon: numbers, lines of the log, and whether it is fit to work.

Runs in mount points of its own, so that a disk can be full and a folder read-only.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

from exposition import Families
from support import BYTECODE, Connection, DaemonCase, live

CANARY = "c4nary-5ecret-0f-a-user"
MIB = 1 << 20


class Numbers(DaemonCase):
    def scrape(self, token=None):
        answer = self.admin("GET", "/metrics", token=token)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        return Families(answer.body.decode())

    def test_requests_are_counted_by_route_method_and_status(self):
        labels = dict(listener="device", route="/v1/packages/{sha256}")
        before = self.scrape()
        for method, target in (("GET", self.digest), ("HEAD", self.digest), ("GET", "0" * 64), ("GET", "x/y")):
            self.request(method, f"/v1/packages/{target}")
        self.request("POST", "/v1/device/sync", body=b"no sync")
        # An answer is counted after it has gone out.
        live.wait_for("the count", lambda: self.scrape().value("mpyd_syncs_total", status="failed") == 1)
        after = self.scrape()

        def grown(name, **more):
            return (after.value(name, **more) or 0) - (before.value(name, **more) or 0)

        requests = "mpyd_http_requests_total"
        self.assertEqual(grown(requests, **labels, method="GET", status="200"), 1)
        self.assertEqual(grown(requests, **labels, method="HEAD", status="200"), 1)
        self.assertEqual(grown(requests, **labels, method="GET", status="404"), 1)
        self.assertEqual(grown(requests, listener="device", route="-", method="-", status="404"), 1)
        self.assertEqual(grown("mpyd_http_request_duration_seconds_count", **labels), 3)
        self.assertEqual(grown("mpyd_http_problems_total", code="not_found"), 2)

    def test_what_the_server_keeps_is_counted(self):
        told = self.scrape()
        self.assertEqual(told.value("mpyd_releases"), 1)
        self.assertEqual(told.value("mpyd_packages"), 1)
        self.assertGreater(told.value("mpyd_package_bytes"), len(BYTECODE))
        self.assertGreater(told.value("mpyd_database_bytes"), 4096)
        self.assertEqual(told.value("mpyd_ready"), 1)
        self.assertEqual(told.value("mpyd_build_info"), 1)
        self.assertLess(abs(told.value("process_start_time_seconds") - time.time()), 120)
        enrolled = told.value("mpyd_devices", state="enrolled")
        made = self.admin("POST", "/v1/admin/devices", {"public_key": "ab" * 32, "name": "bench"}).json()
        self.assertEqual(self.scrape().value("mpyd_devices", state="enrolled"), enrolled + 1)
        self.admin("POST", f"/v1/admin/devices/{made['id']}/revoke")
        self.assertEqual(self.scrape().value("mpyd_devices", state="revoked"), 1)
        self.assertNotIn(made["id"], self.scrape().label_values())

    def test_the_time_of_the_last_backup_is_told(self):
        # The other tests make none.
        self.assertIsNone(self.scrape().value("mpyd_backup_time_seconds"))
        live.mpyd("backup", "--data", self.server.data, "--out", self.folder / "b", "--without-keys")
        self.assertLess(abs(self.scrape().value("mpyd_backup_time_seconds") - time.time()), 120)

    def test_nothing_a_client_says_becomes_a_label(self):
        values = self.scrape().label_values()
        for method, target in ((CANARY.upper().replace("-", ""), "/"), ("GET", f"/{CANARY}"), ("GET", f"/v1/packages/{CANARY}"),
                               ("PUT", f"/v1/packages/{CANARY}"), ("GET", f"/healthz?{CANARY}=1")):
            for port in (self.device_port, self.admin_port):
                self.request(method, target, {"X-Request-Id": CANARY}, port=port)
        time.sleep(0.2)
        new = self.scrape().label_values() - values
        self.assertFalse([value for value in new if "c4nary" in value.lower()], new)

    def test_numbers_are_for_bearers_of_read(self):
        self.assert_problem(self.request("GET", "/metrics", port=self.admin_port), 401, "unauthorised")
        self.assert_problem(self.request("GET", "/metrics", port=self.device_port), 404, "not_found")
        for scope, status in (("read", 200), ("enroll", 403)):
            token = self.admin("POST", "/v1/admin/tokens", {"name": f"metrics-{scope}", "scopes": [scope]}).json()["token"]
            self.assertEqual(self.admin("GET", "/metrics", token=token).status, status)


class LogCase(unittest.TestCase):
    def start(self, **environment):
        folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, folder)
        server = live.Server(folder)
        self.addCleanup(server.stop)
        self.log = folder / "server.log"
        self.log.touch()
        status = self.log.stat()
        environment = {name: value.format(stream=f"{status.st_dev}:{status.st_ino}") for name, value in environment.items()}
        os.environ.update(environment)
        try:
            server.start()
        finally:
            for name in environment:
                del os.environ[name]
        self.token = server.token_file.read_text().strip()
        return server

    def ask(self, server, method="GET", target="/v1/admin/status", headers="", body="", port=1):
        connection = Connection(server.ports[port])
        connection.send(f"{method} {target} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode())
        answer = connection.receive(method)
        connection.close()
        return answer

    def lines_with(self, text, count=1):
        def found():
            lines = [line for line in self.log.read_text().splitlines() if text in line]
            return lines if len(lines) >= count else None
        return live.wait_for(f"{text} in the log", found)

    def test_a_request_is_one_line_of_json(self):
        server = self.start(MPYD_LOG_FORMAT="json")
        self.ask(server, headers=f"Authorization: Bearer {self.token}\r\nX-Request-Id: ask-1\r\n")
        self.ask(server, target="/healthz", headers="X-Request-Id: probe\r\n")
        self.ask(server, "POST", "/v1/device/sync", body="no sync", port=0)
        self.ask(server, target="/v1/device/root/1", port=0)
        # What comes last is written last.
        self.ask(server, target="/v1/admin/devices/none", headers=f"Authorization: Bearer {self.token}\r\nX-Request-Id: ask-2\r\n")
        self.lines_with("ask-2")
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        one, two = [line for line in lines if line["message"] == "request"]
        self.assertEqual((one["request_id"], one["route"], one["method"], one["status"], one["actor"], one["level"]),
                         ("ask-1", "/v1/admin/status", "GET", 200, "token:admin", "info"))
        self.assertNotIn("code", one)
        self.assertLess(one["duration_ms"], 60_000)
        self.assertRegex(one["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual((two["route"], two["status"], two["code"]), ("/v1/admin/devices/{id}", 404, "not_found"))

    def test_a_request_is_one_line_of_text(self):
        server = self.start()
        self.ask(server, headers="Authorization: Bearer wrong\r\nX-Request-Id: ask\r\n")
        line, = self.lines_with("ask")
        self.assertRegex(line, r"^\S+Z info request request_id=ask peer=127\.0\.0\.1 method=GET route=/v1/admin/status status=401 "
                               r"duration_ms=\d+\.\d bytes=\d+ actor=\"\" code=unauthorised$")

    def test_a_token_that_asks_for_what_it_may_not_is_named(self):
        server = self.start()
        token = server.admin("token", "create", "--name", "ci", "--scope", "publish").stdout.strip()
        self.ask(server, target="/v1/admin/tokens", headers=f"Authorization: Bearer {token}\r\nX-Request-Id: may-not\r\n")
        line, = self.lines_with("may-not")
        self.assertIn("status=403", line)
        self.assertIn("actor=token:ci", line)

    def test_devices_and_probes_are_logged_for_debugging_only(self):
        server = self.start(MPYD_LOG_LEVEL="debug")
        self.ask(server, target="/healthz", headers="X-Request-Id: probe\r\n")
        self.ask(server, target="/nowhere", headers="X-Request-Id: motherboard\r\n", port=0)
        self.assertIn(" debug request ", self.lines_with("probe")[0])
        self.assertIn(" debug request ", self.lines_with("motherboard")[0])

    def test_the_journal_gets_levels_and_no_times(self):
        server = self.start(JOURNAL_STREAM="{stream}")
        self.ask(server, headers="X-Request-Id: ask\r\n")
        self.assertTrue(self.lines_with("ask")[0].startswith("<6>request request_id=ask "))

    def test_no_secret_is_ever_in_the_log(self):
        """A user may put a secret wherever a request has room."""
        for form in ("text", "json"):
            with self.subTest(form):
                server = self.start(MPYD_LOG_FORMAT=form, MPYD_LOG_LEVEL="debug")
                bearer = f"Authorization: Bearer {self.token}\r\n"
                secret_token = f"mpyd_{CANARY}"
                for headers in (bearer, f"Authorization: Bearer {secret_token}\r\n", f"Authorization: Basic {CANARY}\r\n",
                                f"{bearer}X-Api-Key: {CANARY}\r\n", f"{bearer}Idempotency-Key: {CANARY}\r\n"):
                    for method, target in (("GET", f"/v1/admin/tokens/{secret_token}"), ("DELETE", f"/v1/admin/tokens/{secret_token}"),
                                           ("GET", f"/v1/admin/audit?token={secret_token}"), ("GET", f"/{secret_token}"),
                                           ("GET", f"/v1/admin/audit?actor={secret_token}"), ("POST", "/v1/admin/tokens"),
                                           ("POST", "/v1/admin/trust/roots"), ("POST", f"/v1/device/sync?x={CANARY}"),
                                           (CANARY.upper().replace("-", "_"), "/")):
                        body = json.dumps({"name": "x", "key": CANARY, "root": CANARY, "scopes": [CANARY]})
                        for port in (0, 1):
                            self.ask(server, method, target, headers, body, port)
                made = self.ask(server, "POST", "/v1/admin/tokens", bearer, json.dumps({"name": "fresh", "scopes": ["read"]}))
                self.ask(server, headers=f"Authorization: Bearer {made.json()['token']}\r\nX-Request-Id: last-one\r\n")
                self.lines_with("last-one")
                text = self.log.read_text()
                self.assertIn("token:fresh", text)
                self.assertGreater(text.count("request"), 90)
                for secret in (CANARY, CANARY.upper().replace("-", "_"), self.token, made.json()["token"]):
                    self.assertNotIn(secret.lower(), text.lower())


class Readiness(unittest.TestCase):
    def setUp(self):
        self.disk = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.disk)
        self.mount("-t", "tmpfs", "-o", "size=96m", "mpyd-test", self.disk)
        self.server = live.Server(self.disk).start()
        self.addCleanup(self.server.stop)

    def mount(self, *args):
        subprocess.run(["mount", *args], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", args[-1]], check=False)

    def ask(self, port=1):
        connection = Connection(self.server.ports[port])
        connection.send(b"GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n")
        answer = connection.receive()
        connection.close()
        return answer

    def failed(self, port=1):
        """Which checks failed; empty when the server is ready."""
        answer = self.ask(port)
        if answer.status == 200:
            self.assertEqual(answer.json(), {"status": "ok"})
            return []
        problem = answer.json()
        self.assertEqual((answer.status, problem["code"]), (503, "not_ready"))
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertNotIn(str(self.disk), answer.body.decode())
        for check in problem["checks"]:
            self.assertIn(check["reason"], problem["detail"])
        return [check["check"] for check in problem["checks"]]

    def assert_failed(self, *expected):
        """Of both listeners; a second at most may pass, for which the admin listener may remember what it found."""
        live.wait_for(f"{expected} on the device listener", lambda: self.failed(0) == list(expected), 2)
        live.wait_for(f"{expected} on the admin listener", lambda: self.failed(1) == list(expected), 2)

    def test_a_full_disk_is_told_until_there_is_room_again(self):
        self.assert_failed()
        fill = self.disk / "fill"
        with open(fill, "wb") as out:
            out.write(b"\0" * (40 * MIB))
        self.assert_failed("disk")
        with open(fill, "ab", buffering=0) as out:
            try:
                while out.write(b"\0" * MIB):
                    pass
            except OSError:
                pass
        self.assertIn("disk", self.failed())
        self.assertEqual(self.server.admin("token", "create", "--name", "x", "--scope", "read", check=False).returncode, 1)
        self.assertIn("write", self.failed(0))
        fill.unlink()
        # A server that nobody writes to any more finds out by itself.
        live.wait_for("the server to be ready again", lambda: self.failed(0) == [], 40)
        self.assert_failed()

    def test_a_read_only_data_directory_is_told(self):
        data = str(self.server.data)
        self.mount("--bind", data, data)
        subprocess.run(["mount", "-o", "remount,bind,ro", data], check=True)
        self.assertIn("directory", self.failed(0))
        live.wait_for("the admin listener to tell it", lambda: "directory" in self.failed(1), 2)
        subprocess.run(["umount", data], check=True)
        self.assert_failed()

    def test_a_server_that_shuts_down_is_not_ready_and_still_alive(self):
        answers = {}
        connections = {target: Connection(self.server.ports[0]) for target in ("/readyz", "/healthz")}
        for target, connection in connections.items():
            connection.send(f"GET {target} HTTP/1.1\r\nHost: t\r\n".encode())
        time.sleep(0.2)
        self.server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        for target, connection in connections.items():
            connection.send(b"\r\n")
            answers[target] = connection.receive()
            connection.close()
        self.assertEqual(answers["/healthz"].status, 200)
        self.assertEqual(answers["/readyz"].status, 503)
        self.assertEqual([check["check"] for check in answers["/readyz"].json()["checks"]], ["shutdown"])
        self.assertEqual(self.server.stop(), 0)


def enter_own_mounts():
    """Mount points of our own: as root at once, else as the root of a user namespace."""
    if os.environ.get("MPYD_OWN_MOUNTS") == "1":
        return
    namespaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    os.environ["MPYD_OWN_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", *namespaces, sys.executable, str(pathlib.Path(__file__).resolve()), *sys.argv[1:]])


if __name__ == "__main__":
    enter_own_mounts()
    unittest.main()
