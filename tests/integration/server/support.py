"""A daemon, one published release, and HTTP spoken by hand."""

import json
import pathlib
import shutil
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

# `def attach(board): return board`, by mpy-cross.
BYTECODE = bytes.fromhex("4d06001f040008642e7079000f0c617474616368000a626f617264004c00020132001602516301380906020320b063")


class Answer:
    """One response: status, headers by lower-case name, body."""

    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.version, status = lines[0].split(" ")[:2]
        self.status = int(status)
        self.headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
        self.body = body

    def json(self):
        return json.loads(self.body)


class Connection:
    """One TCP connection that keeps what was read past the end of an answer."""

    def __init__(self, port, timeout_s=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, method="GET"):
        """The next answer, or None at the end of the connection."""
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                return None
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        answer = Answer(head, b"")
        if answer.status == 100:
            return answer
        size = 0 if method == "HEAD" or answer.status in (204, 304) else int(answer.headers["content-length"])
        while len(self.rest) < size:
            if not self._more():
                raise AssertionError("the answer ends early")
        answer.body, self.rest = self.rest[:size], self.rest[size:]
        return answer

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.rest += data
        return bool(data)

    def at_end(self):
        return not self.rest and not self._more()

    def close(self):
        self.socket.close()


class DaemonCase(unittest.TestCase):
    """One daemon per test class, with one published release."""

    @classmethod
    def setUpClass(cls):
        cls.folder = live.temporary_folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.server = live.Server(cls.folder).start()
        cls.addClassCleanup(cls.server.stop)
        cls.token = cls.server.token_file.read_text().strip()
        cls.server.delegate()
        cls.driver = cls.folder / "thermo.mpy"
        cls.driver.write_bytes(BYTECODE)
        cls.published = json.loads(cls.server.publish(cls.driver, more=["--json"]).stdout)
        cls.digest = cls.published["packages"][0]["digest"]
        cls.device_port, cls.admin_port = cls.server.ports

    def connect(self, port=None):
        connection = Connection(port or self.device_port)
        self.addCleanup(connection.close)
        return connection

    def request(self, method, target, headers=None, body=b"", port=None, version="HTTP/1.1"):
        connection = self.connect(port)
        lines = [f"{method} {target} {version}", "Host: test"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body)}")
        connection.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return connection.receive(method)

    def admin(self, method, target, value=None, token=None, headers=None):
        headers = dict(headers or {}, Authorization=f"Bearer {token or self.token}")
        body = b""
        if value is not None:
            body = json.dumps(value).encode()
            headers["Content-Type"] = "application/json"
        return self.request(method, target, headers, body, port=self.admin_port)

    def assert_problem(self, answer, status, code):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        problem = answer.json()
        self.assertEqual(problem["code"], code)
        self.assertEqual(problem["status"], status)
        for field in ("type", "title", "detail", "instance"):
            self.assertTrue(problem[field])
        return problem
