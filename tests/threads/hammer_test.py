#!/usr/bin/python3
"""The daemon under ThreadSanitizer while everything is asked of it at once, until it is told to stop in the middle of it."""

import contextlib
import json
import os
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration/server"))
from support import BYTECODE, Connection, DaemonCase, live  # noqa: E402

BURST = 3  # of each of the slow ones at once: below the most that the daemon carries out at a time, so that all get their turn
SECONDS = 60 if os.environ.get("MPYD_TEST_FULL") else 12


def report_in(log):
    """The first report of ThreadSanitizer in it; names of templates are cut, for there are pages of them."""
    start = max(log.find("WARNING: ThreadSanitizer"), 0)
    report = log[start:start + 60000].split("\n=====")[0]
    return "\n".join(line[:160] for line in report.splitlines())


class Hammer(DaemonCase):
    @classmethod
    def setUpClass(cls):
        live.Server.daemon = os.environ["MPYD_DAEMON"]
        super().setUpClass()

    def setUp(self):
        self.stop = threading.Event()
        self.own = threading.local()
        self.failures = []
        self.counts = {}
        self.served = set()

    def repeat(self, name, step):
        """A thread that does `step` again and again; a 5xx answer is a failure, unless it says to come back."""
        # A token of its own, for each is good for so many requests at once only.
        token = self.admin("POST", "/v1/admin/tokens", {"name": name, "scopes": ["admin"]}).json()["token"]

        def run():
            self.own.token = token
            n = 0
            while not self.stop.is_set():
                try:
                    status = step(n)
                    if status < 500:
                        self.served.add(name)
                    if status >= 500 and status != 503:
                        self.failures.append((name, status))
                except (OSError, AssertionError, AttributeError) as failure:
                    if not self.stop.is_set():
                        self.failures.append((name, repr(failure)))
                n += 1
                self.counts[name] = self.counts.get(name, 0) + 1

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def burst(self, port, data):
        """The same request on several connections at once: only then is the daemon at it twice at a time."""
        with contextlib.ExitStack() as closing:
            connections = [closing.enter_context(contextlib.closing(Connection(port))) for _ in range(BURST)]
            for connection in connections:
                connection.send(data)
            return max(connection.receive().status for connection in connections)

    def get(self, target, port=None, headers=""):
        return self.burst(port or self.device_port, f"GET {target} HTTP/1.1\r\nHost: t\r\n{headers}\r\n".encode())

    def ask(self, method, target, value=None):
        body = json.dumps(value).encode() if value is not None else b""
        return self.burst(self.admin_port, f"{method} {target} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {self.own.token}\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def publish(self, n):
        driver = self.folder / "next.mpy"
        driver.write_bytes(BYTECODE.replace(b"board", b"b%04d" % (n % 10000)))
        return self.status_of(self.server.publish(driver, version=f"2.0.{n}", check=False))

    def delegate(self, n):
        key = self.server.keys / "targets.key"
        return self.status_of(self.server.admin(
            "trust", "delegate", "--hardware-id", f"hat:Hammer:{n % 50:04x}", "--name", "hammer", "--publisher",
            f"{self.server.publisher}.pub", "--key", key, "--root", self.server.root, "--yes", check=False))

    def status_of(self, done):
        """What a command of mpyd was answered: of a full daemon it says so, like everybody else here."""
        if done.returncode == 0:
            return 200
        if "too many requests" in done.stderr:
            return 503
        raise AssertionError(done.stderr)

    def withdraw(self, n):
        selection = {"hardware_id": live.HARDWARE_ID, "version": "1.0.0"}
        return self.ask("POST", f"/v1/admin/releases/{'unyank' if n % 2 else 'yank'}", selection)

    def new_token(self, n):
        self.ask("POST", "/v1/admin/tokens", {"name": f"t{n}", "scopes": ["read"]})
        return self.ask("DELETE", f"/v1/admin/tokens/t{n}")

    def motherboards(self):
        boards = []
        for n in range(3):
            folder = self.folder / f"motherboard{n}"
            folder.mkdir()
            identity = self.server.provision(f"motherboard {n}", folder / "identity")
            image = folder / "board.eep"
            live.mpyd("eeprom", "build", "--hardware-id", live.HARDWARE_ID, "--revision", 3, "--out", image)
            board = live.Motherboard(folder, identity, sync_interval_ms=30, retry_max_ms=100).start()
            self.addCleanup(board.stop)
            board.plug(1, image)
            boards.append(board)
        return boards

    def explain(self, n):
        return self.ask("GET", f"/v1/admin/explain?hardware_id={live.HARDWARE_ID.replace('%', '%25')}&abi=6.3-armv7m")

    def hammer(self, boards, threads):
        time.sleep(SECONDS)
        for board in boards:
            board.wait_event("synced", count=3)
        # In the middle of everything.
        self.stop.set()
        code = self.server.stop()
        for thread in threads:
            thread.join()
        log = (self.folder / "server.log").read_text()
        self.assertNotIn("ThreadSanitizer", log, report_in(log))
        self.assertEqual(code, 0)
        self.assertEqual(self.failures, [])
        self.assertEqual(self.served, set(self.counts), "each was answered now and then")
        print(self.counts, {"syncs": sum(board.count("synced") for board in boards)})


class EverythingAtOnceTest(Hammer):
    def test_no_thread_races_another_whatever_is_asked_at_once(self):
        self.hammer(self.motherboards(), [
            self.repeat("health", lambda n: self.get("/healthz")),
            self.repeat("ready", lambda n: self.get("/readyz", self.admin_port)),
            self.repeat("download", lambda n: self.get(f"/v1/packages/{self.digest}", headers="Range: bytes=3-\r\n")),
            self.repeat("targets", lambda n: self.get("/v1/device/targets")),
            self.repeat("status", lambda n: self.ask("GET", "/v1/admin/status")),
            self.repeat("trust", lambda n: self.ask("GET", "/v1/admin/trust")),
            self.repeat("explain", self.explain),
            self.repeat("lists", lambda n: self.ask("GET", f"/v1/admin/{('releases', 'devices', 'audit', 'tokens')[n % 4]}")),
            self.repeat("enroll", lambda n: self.ask("POST", "/v1/admin/devices", {"public_key": f"{n + 2:064x}", "name": "x"})),
            self.repeat("tokens", self.new_token),
            self.repeat("withdraw", self.withdraw),
            self.repeat("publish", self.publish),
            self.repeat("delegate", self.delegate),
        ])


class PolicyReplacedTest(Hammer):
    def test_policy_is_replaced_while_others_read_it(self):
        """What is in force goes when its last reader lets go of it. With all the rest asked, too, that is too rarely in between."""
        self.hammer(self.motherboards(), [
            *[self.repeat(f"explain-{i}", self.explain) for i in range(4)],
            self.repeat("status", lambda n: self.ask("GET", "/v1/admin/status")),
            self.repeat("delegate", self.delegate),
        ])


if __name__ == "__main__":
    unittest.main()
