"""Releases in a hurry: packed by the command line, uploaded by hand, and what became of them."""

import contextlib
import hashlib
import http.client
import json
import shutil
import threading

from support import BYTECODE, live

NATIVE = live.REPO / "tests/vectors/mpy/factorial-x64.mpy"


def hardware_id(number):
    return f"hat:Storm:{number:04x}"


class Publisher(threading.Thread):
    """Publishes releases of two variants for one hardware ID until told to stop or the server is gone."""

    def __init__(self, server, number, folder, first=1):
        super().__init__(daemon=True)
        self.server, self.hardware_id, self.folder, self.release = server, hardware_id(number), folder, first
        self.acknowledged = {}  # version -> digests
        self.stopping = threading.Event()
        self.sending = threading.Event()
        self.token = server.token_file.read_text().strip()
        self.bytecode = folder / "storm.mpy"
        self.bytecode.write_bytes(BYTECODE)

    def pack(self):
        version = f"1.0.{self.release}"
        out = self.folder / f"{self.hardware_id.replace(':', '-')}-{version}"
        shutil.rmtree(out, ignore_errors=True)  # of a try that was not acknowledged
        out.mkdir()
        live.mpyd("pack", self.bytecode, NATIVE, "--hardware-id", self.hardware_id, "--name", "storm", "--version", version,
                  "--release", self.release, "--key", self.server.publisher, "--root", self.server.root, "--out-dir", out)
        return version, [path.read_bytes() for path in sorted(out.glob("*.mpkg"))]

    def run(self):
        while not self.stopping.is_set():
            version, packages = self.pack()
            self.sending.set()
            try:
                with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.ports[1], timeout=20)) as connection:
                    connection.request("POST", "/v1/admin/releases", b"".join(packages),
                                       {"Authorization": f"Bearer {self.token}", "Content-Type": "application/vnd.mpyd.packages"})
                    answer = connection.getresponse()
                    said = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                return  # the server is gone; what it did not acknowledge may be there or not
            if answer.status not in (200, 201):
                raise AssertionError(f"{answer.status} {said}")
            self.acknowledged[version] = sorted(package["digest"] for package in said["packages"])
            self.release += 1

    def stop(self):
        self.stopping.set()
        self.join()


def delegate_all(server, count):
    for number in range(count):
        server.delegate(hardware_id(number), "storm")


def releases(server):
    """hardware ID -> version -> digests, as the server lists them."""
    out = {}
    for release in json.loads(server.admin("release", "list", "--json").stdout)["releases"]:
        digests = sorted(variant["digest"] for variant in release["variants"])
        out.setdefault(release["hardware_id"], {})[release["version"]] = digests
    return out


def assert_served_whole(test, server, acknowledged):
    """Every release that is listed is whole and is served; every acknowledged one is listed."""
    listed = releases(server)
    for hardware, versions in acknowledged.items():
        for version, digests in versions.items():
            test.assertEqual(listed.get(hardware, {}).get(version), digests, f"{hardware} {version} was acknowledged")
    for hardware, versions in listed.items():
        for version, digests in versions.items():
            test.assertEqual(len(digests), 2, f"{hardware} {version} is a half release")
            for digest in digests:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
                connection.request("GET", f"/v1/packages/{digest}")
                body = connection.getresponse().read()
                connection.close()
                test.assertEqual(hashlib.sha256(body).hexdigest(), digest)
    return listed


def wait_until(publishers, count):
    live.wait_for(f"{count} releases", lambda: sum(len(p.acknowledged) for p in publishers) >= count, 120)
