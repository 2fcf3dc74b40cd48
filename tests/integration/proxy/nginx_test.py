#!/usr/bin/python3
"""deploy/proxy/nginx.conf, as it stands, but for ports and paths, before a real daemon."""

import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))
from exposition import Families  # noqa: E402
from support import Connection, DaemonCase, live  # noqa: E402

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
CERTIFICATES = pathlib.Path(__file__).resolve().parents[1] / "server"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Proxy(DaemonCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port, cls.tls_port = free_port(), free_port()
        cache = cls.folder / "cache"
        site = (live.REPO / "deploy/proxy/nginx.conf").read_text()
        for old, new in ((" 127.0.0.1:8780;", f" 127.0.0.1:{cls.device_port};"), (" 127.0.0.1:8781;", f" 127.0.0.1:{cls.admin_port};"),
                         ("listen 80;", f"listen 127.0.0.1:{cls.port};"), ("listen 443 ssl;", f"listen 127.0.0.1:{cls.tls_port} ssl;"),
                         ("/var/cache/nginx/mpyd", str(cache)),
                         ("/etc/ssl/certs/drivers.example.pem", str(CERTIFICATES / "tls_cert.pem")),
                         ("/etc/ssl/private/drivers.example.key", str(CERTIFICATES / "tls_key.pem"))):
            if site.count(old) < 1:
                raise AssertionError(f"the example does not say {old!r} any more")
            site = site.replace(old, new)
        (cls.folder / "site.conf").write_text(site)
        folders = "".join(f"  {name}_temp_path {cls.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (cls.folder / "nginx.conf").write_text(
            f"{'user root;' if os.geteuid() == 0 else ''}\ndaemon off;\nworker_processes 1;\npid {cls.folder}/nginx.pid;\n"
            f"error_log {cls.folder}/nginx.log;\nevents {{}}\nhttp {{\n  access_log off;\n{folders}  include {cls.folder}/site.conf;\n}}\n")
        cls.nginx = [NGINX, "-p", str(cls.folder), "-e", str(cls.folder / "nginx.log"), "-c", str(cls.folder / "nginx.conf")]
        proxy = subprocess.Popen(cls.nginx, stdin=subprocess.DEVNULL)
        cls.addClassCleanup(proxy.wait)
        cls.addClassCleanup(proxy.terminate)
        live.wait_for("nginx", cls.listens)

    @classmethod
    def listens(cls):
        try:
            socket.create_connection(("127.0.0.1", cls.port)).close()
        except OSError:
            return False
        return True

    def get(self, target, **headers):
        return self.request("GET", target, {name.replace("_", "-"): value for name, value in headers.items()}, port=self.port)

    def served(self):
        told = Families(self.admin("GET", "/metrics").body.decode())
        return told.value("mpyd_http_requests_total", listener="device", route="/v1/packages/{sha256}", status="200") or 0

    def test_1_nginx_takes_the_example(self):
        done = subprocess.run([*self.nginx, "-t"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("[warn]", done.stderr)

    def test_2_a_package_comes_from_the_server_once(self):
        target = f"/v1/packages/{self.digest}"
        before = self.served()
        direct = self.request("GET", target)
        first, second = self.get(target), self.get(target)
        self.assertEqual((first.status, first.headers["x-cache"]), (200, "MISS"))
        self.assertEqual((second.status, second.headers["x-cache"]), (200, "HIT"))
        self.assertEqual({first.body, second.body}, {direct.body})
        self.assertEqual(second.headers["etag"], direct.headers["etag"])
        part = self.get(target, Range="bytes=10-19")
        self.assertEqual((part.status, part.headers["x-cache"], part.body), (206, "HIT", direct.body[10:20]))
        self.assertEqual(self.get(target, If_None_Match=direct.headers["etag"]).status, 304)
        # One asked directly, and the proxy did once.
        live.wait_for("the count", lambda: self.served() == before + 2)

    def test_3_what_is_no_package_is_not_kept(self):
        for _ in range(2):
            self.assertNotIn("x-cache", self.get("/v1/device/root/1").headers)
        self.assertEqual(self.get("/v1/admin/status").status, 404)
        self.assertEqual(self.get("/readyz").status, 404)

    def test_4_a_package_that_was_served_outlives_the_server(self):
        target = f"/v1/packages/{self.digest}"
        self.get(target)
        self.server.stop()
        try:
            answer = self.get(target)
            self.assertEqual((answer.status, answer.headers["x-cache"]), (200, "HIT"))
        finally:
            self.server.start()

    def test_5_administrators_come_over_tls(self):
        connection = Connection(self.tls_port)
        self.addCleanup(connection.close)
        context = ssl.create_default_context(cafile=CERTIFICATES / "tls_cert.pem")
        connection.socket = context.wrap_socket(connection.socket, server_hostname="127.0.0.1")
        connection.send(f"GET /v1/admin/status HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
        answer = connection.receive()
        self.assertEqual((answer.status, answer.json()["releases"]), (200, 1))


if __name__ == "__main__":
    unittest.main()
