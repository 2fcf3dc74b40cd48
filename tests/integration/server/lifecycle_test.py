#!/usr/bin/python3
"""Starting, stopping, being killed, and being started twice."""

import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import threading
import time
import unittest

from support import BYTECODE, Connection, live


class Lifecycle(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder)
        self.addCleanup(self.server.stop)
        self.driver = self.folder / "thermo.mpy"
        self.driver.write_bytes(BYTECODE)

    def serve(self, *args):
        return subprocess.run([live.MPYD, "serve", "--data", self.server.data, *args], capture_output=True, text=True, timeout=20)

    def test_secrets_on_the_disk_are_for_their_owner_only(self):
        self.server.start()
        for name in ("mpyd.db", "server.key", "serve.json"):
            self.assertEqual(os.stat(self.server.data / name).st_mode & 0o777, 0o600, name)
        self.assertEqual(os.stat(self.server.data).st_mode & 0o777, 0o700)

    def test_a_second_daemon_on_the_same_data_is_refused(self):
        self.server.start()
        done = self.serve("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("another mpyd", done.stderr)
        self.assertEqual(json.loads((self.server.data / "serve.json").read_text())["pid"], self.server.process.pid)

    def test_sigterm_ends_with_success_and_takes_serve_json_along(self):
        self.server.start()
        idle = Connection(self.server.port)
        self.addCleanup(idle.close)
        started = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - started, 5)
        self.assertTrue(idle.at_end())
        self.assertFalse((self.server.data / "serve.json").exists())

    def test_a_request_in_flight_is_finished_on_sigterm(self):
        self.server.start()
        connection = Connection(self.server.ports[1])
        self.addCleanup(connection.close)
        token = self.server.token_file.read_text().strip()
        body = json.dumps({"public_key": "ef" * 32, "name": "late"}).encode()
        connection.send(f"POST /v1/admin/devices HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
        time.sleep(0.2)
        self.server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.send(body[10:])
        answer = connection.receive()
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(self.server.stop(), 0)

    def test_what_was_acknowledged_survives_kill_9(self):
        self.server.start()
        self.server.delegate()
        stop = threading.Event()
        acknowledged = []

        def publish_on():
            number = 0
            while not stop.is_set():
                number += 1
                done = self.server.publish(self.driver, version=f"1.0.{number}", check=False)
                if done.returncode == 0:
                    acknowledged.append(f"1.0.{number}")

        publisher = threading.Thread(target=publish_on)
        publisher.start()
        live.wait_for("a few releases", lambda: len(acknowledged) >= 3, 60)
        self.server.kill()
        stop.set()
        publisher.join()
        self.server.start()
        listed = json.loads(self.server.admin("release", "list", "--json").stdout)["releases"]
        versions = {release["version"] for release in listed}
        self.assertTrue(versions.issuperset(acknowledged), (versions, acknowledged))
        for release in listed:
            self.assertTrue(release["variants"])

    def test_the_admin_listener_is_not_opened_in_clear_beyond_loopback(self):
        done = self.serve("--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("--tls-cert", done.stderr)
        done = self.serve("--listen", "nonsense", "--admin-listen", "127.0.0.1:0")
        self.assertEqual(done.returncode, 2, done.stderr)

    def test_the_admin_listener_speaks_tls_and_nothing_else_when_told_so(self):
        here = pathlib.Path(__file__).resolve().parent
        cert = here / "tls_cert.pem"
        daemon = subprocess.Popen([live.MPYD, "serve", "--data", self.server.data, "--listen", "127.0.0.1:0",
                                   "--admin-listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", here / "tls_key.pem"],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        info = self.server.data / "serve.json"
        live.wait_for("the daemon", info.exists)
        port = int(json.loads(info.read_text())["admin_listen"].rsplit(":", 1)[1])
        token = self.server.token_file.read_text().strip()
        ask = f"GET /v1/admin/status HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

        connection = Connection(port)
        self.addCleanup(connection.close)
        connection.socket = ssl.create_default_context(cafile=cert).wrap_socket(connection.socket, server_hostname="127.0.0.1")
        connection.send(ask)
        self.assertEqual(connection.receive().status, 200)

        clear = Connection(port)
        self.addCleanup(clear.close)
        clear.send(ask)
        self.assertTrue(clear.at_end() or not clear.rest.startswith(b"HTTP"))

    def test_behind_a_proxy_only_the_proxy_is_let_in(self):
        for network, welcome in (("127.0.0.0/8", True), ("10.0.0.0/8", False)):
            with self.subTest(network):
                daemon = subprocess.Popen([live.MPYD, "serve", "--data", self.server.data, "--listen", "127.0.0.1:0",
                                           "--admin-listen", "0.0.0.0:0", "--behind-proxy", network], stderr=subprocess.DEVNULL)
                info = self.server.data / "serve.json"
                try:
                    live.wait_for("the daemon", info.exists)
                    port = int(json.loads(info.read_text())["admin_listen"].rsplit(":", 1)[1])
                    connection = Connection(port)
                    try:
                        connection.send(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n")
                        answer = connection.receive()
                    except OSError:
                        answer = None
                    connection.close()
                    self.assertEqual(answer is not None, welcome)
                finally:
                    daemon.terminate()
                    daemon.wait()

    def test_data_that_is_none_is_refused(self):
        done = subprocess.run([live.MPYD, "serve", "--data", self.folder], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("mpyd init", done.stderr)

    def test_init_never_touches_a_server_that_is_there(self):
        before = (self.server.data / "server.key").read_bytes()
        done = live.mpyd("init", "--data", self.server.data, "--keys", self.folder / "keys2", check=False)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertEqual((self.server.data / "server.key").read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
