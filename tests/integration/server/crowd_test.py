#!/usr/bin/python3
"""Crowds against the real daemon, as users run it: its memory stays bounded and is printed, it answers throughout, and
devices are served meanwhile."""

import contextlib
import os
import re
import resource
import select
import shutil
import socket
import subprocess
import threading
import time
import unittest

from support import Connection, DaemonCase, live

KIB = 1024
MIB = 1024 * KIB
CROWD = 10_000
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"


def set_open_files(wanted):
    """Raises this process's soft limit, and so its daemon's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise AssertionError(f"this test opens {wanted} files; the system's hard limit is {hard}: raise it (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return soft, hard


class HealthWatch(threading.Thread):
    """Asks /healthz on a fresh connection ten times a second."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.slowest_s = 0.0
        self.count = 0
        self.failures = []
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            started = time.monotonic()
            try:
                connection = Connection(self.port, timeout_s=10)
                connection.send(HEALTH)
                answer = connection.receive()
                if answer is None or answer.status != 200:
                    self.failures.append(answer and answer.status)
                connection.close()
            except OSError as failure:
                self.failures.append(failure)
            self.count += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class CrowdCase(DaemonCase):
    OPEN_FILES = 1024

    @classmethod
    def setUpClass(cls):
        before = set_open_files(cls.OPEN_FILES)
        cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        super().setUpClass()

    def resident(self):
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * KIB

    def connections_open(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))


class TenThousand(CrowdCase):
    OPEN_FILES = CROWD + 300
    IDLE_MAX = 20 * MIB
    PER_IDLE_MAX = 12 * KIB
    # A connection's worst without a route that takes a body: an unfinished header in a buffer that grew for it.
    PER_HOSTILE_MAX = 40 * KIB
    HEALTH_MAX_S = 2.0

    def gather(self, data, answered):
        crowd = []
        for n in range(CROWD):
            # A client has 28,000 ports per address; 127.0.0.0/8 is all this machine.
            connection = socket.create_connection(("127.0.0.1", self.device_port), timeout=20, source_address=(f"127.0.{n % 4}.1", 0))
            connection.sendall(data)
            crowd.append(connection)
        if answered:
            for connection in crowd:
                self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 200 "))
        return crowd

    def check(self, what, watch, baseline, per_connection_max):
        resident = self.resident()
        each = (resident - baseline) / CROWD
        print(f"{CROWD} connections, {what}: {resident / MIB:.1f} MiB resident, {each / KIB:.1f} KiB each; "
              f"{watch.count} x /healthz, slowest {watch.slowest_s * 1000:.0f} ms", flush=True)
        self.assertLessEqual(each, per_connection_max)
        self.assertEqual(watch.failures, [])
        self.assertLess(watch.slowest_s, self.HEALTH_MAX_S)

    def let_a_device_sync(self):
        folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, folder)
        identity = self.server.provision("motherboard", folder / "identity")
        image = folder / "board.eep"
        live.mpyd("eeprom", "build", "--hardware-id", live.HARDWARE_ID, "--revision", 3, "--out", image)
        device = live.Motherboard(folder, identity, sync_interval_ms=400, retry_max_ms=300).start()
        try:
            device.plug(1, image)
            device.wait_event("loaded", 1)
        finally:
            device.stop()

    def test_a41_10000_connections_that_do_nothing_or_worse(self):
        baseline = self.resident()
        print(f"idle: {baseline / MIB:.1f} MiB resident")
        self.assertLessEqual(baseline, self.IDLE_MAX)
        unfinished = b"GET /healthz HTTP/1.1\r\nHost: t\r\nX: "
        for what, data, answered, per_connection_max in (
                ("idle after one request", HEALTH, True, self.PER_IDLE_MAX),
                ("silent from the start", b"", False, self.PER_IDLE_MAX),
                ("in the middle of a header", unfinished, False, self.PER_HOSTILE_MAX),
                ("after 8,000 bytes of a header", unfinished.ljust(8000, b"x"), False, self.PER_HOSTILE_MAX),
                ("in the middle of a body", b"POST /v1/device/sync HTTP/1.1\r\nHost: t\r\nContent-Length: 900\r\n\r\nx", False,
                 self.PER_HOSTILE_MAX)):
            with self.subTest(what), HealthWatch(self.device_port) as watch, contextlib.ExitStack() as closing:
                crowd = self.gather(data, answered)
                for connection in crowd:
                    closing.callback(connection.close)
                if answered:
                    self.assertGreater(self.connections_open(), CROWD)
                self.check(what, watch, baseline, per_connection_max)
                self.let_a_device_sync()
            live.wait_for("the crowd to be gone", lambda: self.connections_open() < 100)

        with HealthWatch(self.device_port) as watch:
            for _ in range(CROWD):
                with socket.create_connection(("127.0.0.1", self.device_port), timeout=20) as connection:
                    connection.sendall(b"\x00\xffrubbish\r\n\r\n" * 20)
            self.check("rubbish, one after the other", watch, baseline, self.PER_HOSTILE_MAX)
        live.wait_for("the crowd to be gone", lambda: self.connections_open() < 100)
        self.let_a_device_sync()


class Held(CrowdCase):
    """Whoever sends bodies without end or never reads answers makes the daemon hold a bounded number of bytes."""

    OPEN_FILES = 2000
    DEVICE_HELD_MAX = 64 * MIB
    ADMIN_HELD_MAX = 192 * MIB

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        source = cls.folder / "big.py"
        source.write_text("x = b'" + "".join(f"\\x{b:02x}" for b in os.urandom(700_000)) + "'\ndef attach(board): return board\n")
        big = cls.folder / "big.mpy"
        subprocess.run([live.BUILD / "mpy-cross", "-o", big, source], check=True)
        cls.server.delegate("hat:Big:0001", "big")
        cls.server.publish(big, hardware_id="hat:Big:0001", name="big")
        listed = cls.server.admin("release", "list", "--json").stdout
        cls.big_digest = re.search(r'"digest":\s*"([0-9a-f]{64})"', listed[listed.index("hat:Big"):])[1]

    def setUp(self):
        live.wait_for("what an earlier crowd held to be given back", lambda: self.resident() < 64 * MIB)

    def publisher(self, name):
        answer = self.admin("POST", "/v1/admin/tokens", {"name": name, "scopes": ["publish"]})
        return answer.json()["token"]

    def upload(self, token):
        connection = Connection(self.admin_port)
        self.addCleanup(connection.close)
        connection.send((f"POST /v1/admin/releases HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\n"
                         f"Content-Type: application/vnd.mpyd.packages\r\nContent-Length: {64 * MIB}\r\n\r\n").encode())
        return connection

    def peak_while(self, busy):
        peak = self.resident()
        while busy():
            peak = max(peak, self.resident())
            time.sleep(0.05)
        return peak

    def test_a41_answers_that_are_never_read_are_bounded_and_cut_off(self):
        before = self.resident()
        count = 600
        target = f"GET /v1/packages/{self.big_digest} HTTP/1.1\r\nHost: t\r\n\r\n".encode()
        crowd = []
        for _ in range(count):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect(("127.0.0.1", self.device_port))
            connection.sendall(target * 8)
            crowd.append(connection)
            self.addCleanup(connection.close)
        with HealthWatch(self.device_port) as watch:
            started = time.monotonic()
            live.wait_for("all to be let in", lambda: self.connections_open() > count)
            # A slice that does not go out within 15 s ends the connection.
            peak = self.peak_while(lambda: self.connections_open() > 100 and time.monotonic() - started < 30)
        taken = time.monotonic() - started
        print(f"{count} connections that never read 700 kB answers: {before / MIB:.1f} -> {peak / MIB:.1f} MiB resident at most, "
              f"gone after {taken:.0f} s; slowest /healthz {watch.slowest_s * 1000:.0f} ms")
        self.assertLess(peak - before, self.DEVICE_HELD_MAX + 32 * MIB)
        self.assertLess(taken, 30)
        self.assertEqual(watch.failures, [])
        self.assertLess(watch.slowest_s, TenThousand.HEALTH_MAX_S)
        answer = self.request("GET", f"/v1/packages/{self.big_digest}")
        self.assertEqual((answer.status, len(answer.body) > 700_000), (200, True))

    def test_a12_bodies_on_many_connections_are_bounded_together(self):
        before = self.resident()
        # Of several tokens, or one's share would be the bound.
        uploads = [self.upload(token) for token in [self.publisher(f"crowd-{n}") for n in range(4)] * 2]
        refused = []
        peak = before
        for _ in range(40):
            peak = max(peak, self.resident())
            for upload in [u for u in uploads if u not in refused]:
                if select.select([upload.socket], [], [], 0)[0]:
                    answer = upload.receive()
                    self.assert_problem(answer, 503, "too_many_requests")
                    self.assertIn("retry-after", answer.headers)
                    refused.append(upload)
                    upload.close()
                    continue
                with contextlib.suppress(OSError):
                    upload.send(bytes(MIB))
        print(f"8 uploads of 64 MiB at once: {before / MIB:.1f} -> {peak / MIB:.1f} MiB resident, {len(refused)} told to wait")
        self.assertIn(len(refused), range(3, 8))
        self.assertLess(peak - before, self.ADMIN_HELD_MAX + 32 * MIB)
        self.assertEqual(self.request("GET", "/v1/device/targets").status, 200)
        for upload in uploads:
            upload.close()
        self.server.publish(self.driver, version="2.0.0")

    def test_a12_one_token_leaves_room_for_all_others(self):
        greedy = self.publisher("greedy")
        uploads = [self.upload(greedy) for _ in range(8)]
        refused = 0
        for upload in uploads:
            with contextlib.suppress(OSError):  # refused before all was sent
                upload.send(bytes(60 * MIB))
            # The last one that was let in waits for the rest of its body.
            if select.select([upload.socket], [], [], 1)[0]:
                answer = upload.receive()
                self.assert_problem(answer, 429, "too_many_requests")
                self.assertIn("retry-after", answer.headers)
                refused += 1
        self.assertEqual(refused, 7)
        self.server.publish(self.driver, version="3.0.0")


class Full(CrowdCase):
    """A listener with as many connections as it takes; made small by the number of open files."""

    OPEN_FILES = 2000
    DAEMON_FILES = 600
    PLACES = DAEMON_FILES - 256 - 128  # the operator's connections, and other files

    @classmethod
    def setUpClass(cls):
        launcher = live.Server.launcher
        live.Server.launcher = ("prlimit", f"--nofile={cls.DAEMON_FILES}:{cls.DAEMON_FILES}")
        cls.addClassCleanup(setattr, live.Server, "launcher", launcher)
        super().setUpClass()

    def test_a41_a_newcomer_takes_the_place_that_waits_longest(self):
        crowd = [self.connect() for _ in range(self.PLACES)]
        # The last one's answer says that all were accepted, in their order. These three have been served then, so others
        # wait longer.
        for n in (-1, 0, 1):
            crowd[n].send(HEALTH)
            self.assertEqual(crowd[n].receive().status, 200)
        late = [self.connect() for _ in range(20)]
        for connection in [*late, crowd[0], crowd[1], crowd[-1]]:
            connection.send(HEALTH)
            self.assertEqual(connection.receive().status, 200)
        for connection in crowd[2:2 + len(late)]:
            self.assertTrue(connection.at_end())
        self.assertEqual(self.request("GET", "/healthz", port=self.admin_port).status, 200)
        log = (self.folder / "server.log").read_text()
        self.assertEqual(log.count("take the places"), 1)
        self.assertIn(f"room for {self.PLACES} devices", log)

    def test_a41_a_crowd_that_comes_again_and_again_locks_nobody_out(self):
        stop = threading.Event()

        def crowd_in():
            held = []
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    held.append(socket.create_connection(("127.0.0.1", self.device_port), timeout=5))
                if len(held) > self.PLACES:
                    held.pop(0).close()
            for connection in held:
                connection.close()

        crowds = [threading.Thread(target=crowd_in) for _ in range(2)]
        for thread in crowds:
            thread.start()
        try:
            served = 0
            for _ in range(50):
                with contextlib.suppress(OSError):
                    answer = self.request("GET", "/healthz")
                    served += answer is not None and answer.status == 200
        finally:
            stop.set()
            for thread in crowds:
                thread.join()
        self.assertGreaterEqual(served, 45)


if __name__ == "__main__":
    unittest.main()
