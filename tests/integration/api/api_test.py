#!/usr/bin/python3
"""The whole admin API, by a program that knows schema/openapi.yaml and nothing else of the server."""

import json
import os
import pathlib
import secrets
import shutil
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402
from description import Client, Description  # noqa: E402

FULL = os.environ.get("MPYD_TEST_FULL") == "1"
DEVICES = 10_000 if FULL else 250
SCOPES = ("read", "publish", "operate", "admin", "enroll")
# What a scope is good for besides itself, as the security scheme says.
IMPLIED = {"operate": {"read"}, "publish": {"read"}, "admin": {"read", "publish", "operate"}}
PACKAGES = "application/vnd.mpyd.packages"
BYTECODE = bytes.fromhex("4d06001f040008642e7079000f0c617474616368000a626f617264004c00020132001602516301380906020320b063")


class ApiCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.description = Description()
        cls.folder = live.temporary_folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.server = live.Server(cls.folder).start()
        cls.addClassCleanup(cls.server.stop)
        cls.server.delegate()
        cls.token = cls.server.token_file.read_text().strip()
        cls.packed = 0

    def client(self, token=None):
        client = Client(self.description, self.server.ports[1], self.token if token is None else token)
        self.addCleanup(client.close)
        return client

    def setUp(self):
        self.api = self.client()

    @classmethod
    def package(cls, version, hardware_id=live.HARDWARE_ID, name="thermo"):
        """One built and signed package, as publishers send it."""
        cls.packed += 1
        source = cls.folder / f"d{cls.packed}.mpy"
        source.write_bytes(BYTECODE)
        out = cls.folder / f"packed{cls.packed}"
        out.mkdir()
        live.mpyd("pack", source, "--hardware-id", hardware_id, "--name", name, "--version", version, "--release", cls.packed,
                  "--key", cls.server.publisher, "--root", cls.server.root, "--out-dir", out)
        return next(out.iterdir()).read_bytes()

    def new_token(self, name, *scopes, **more):
        return self.api.call("POST", "/v1/admin/tokens", body={"name": name, "scopes": list(scopes), **more}).json()["token"]

    def enroll(self, name):
        return self.api.call("POST", "/v1/admin/devices", body={"public_key": secrets.token_hex(32), "name": name}).json()["id"]


class Walk(ApiCase):
    def test_every_operation_answers_as_described(self):
        done = set()

        def call(method, path, status, *args, **kwargs):
            answer = self.api.call(method, path, *args, **kwargs)
            self.assertEqual(answer.status, status, f"{method} {path}: {answer.body}")
            done.add((method, path))
            return answer

        admin = "/v1/admin/"
        call("GET", admin + "status", 200)
        call("GET", admin + "whoami", 200)
        trust = call("GET", admin + "trust", 200).json()
        call("PUT", admin + "trust/targets", 200, body={"head": trust["head"], "entries": trust["entries"]})
        call("POST", admin + "trust/roots", 200, body={"root": trust["root"]})
        call("POST", admin + "releases", 201, body=self.package("1.0.0"), media=PACKAGES)
        release = {"hardware_id": live.HARDWARE_ID, "version": "1.0.0"}
        told = call("GET", admin + "releases", 200, query={"yanked": 0, "sort": "-created"}).json()["releases"]
        self.assertEqual(told[0], call("GET", admin + "releases/{hardware_id}/{version}", 200, release).json())
        call("GET", admin + "packages/{sha256}/content", 200, {"sha256": told[0]["variants"][0]["digest"]})
        variant = {"abi": "6-any", "plain_sha256": "00" * 32, "plain_bytes": 1, "driver_interface": 1, "encryption": "none"}
        call("POST", admin + "releases/match", 200,
             body={**release, "driver_name": "thermo", "revision_min": 0, "revision_max": 1, "variants": [variant]})
        call("POST", admin + "releases/yank", 200, body=release)
        call("POST", admin + "releases/unyank", 200, body=release)
        call("POST", admin + "releases/deprecate", 200, body={**release, "message": "use 2.0.0"})
        self.assertEqual(call("GET", admin + "releases", 200, query={"deprecated": 1}).json()["releases"][0]["deprecated"], "use 2.0.0")
        call("POST", admin + "releases/undeprecate", 200, body=release)
        hardware = {"hardware_id": live.HARDWARE_ID}
        drivers = call("GET", admin + "drivers", 200, query={"text": "THERMO"}).json()["drivers"]
        self.assertEqual(drivers, [call("GET", admin + "drivers/{hardware_id}", 200, hardware).json()])
        package = call("GET", admin + "packages/{sha256}", 200, {"sha256": told[0]["variants"][0]["digest"]}).json()
        self.assertEqual((package["version"], package["abi"]), ("1.0.0", "6-any"))
        entries = call("GET", admin + "policy", 200).json()["entries"]
        self.assertEqual(entries, [call("GET", admin + "policy/{hardware_id}", 200, hardware).json()])
        publishers = call("GET", admin + "publishers", 200).json()["publishers"]
        self.assertEqual([each["public_key"] for each in publishers], entries[0]["publisher_keys"])
        call("GET", admin + "explain", 200, query={"hardware_id": live.HARDWARE_ID, "abi": "6.3-armv7m"})
        device = call("POST", admin + "devices", 201, body={"public_key": secrets.token_hex(32), "name": "a"}).json()["id"]
        other = self.enroll("b")
        call("GET", admin + "devices", 200, query={"state": "enrolled", "trouble": 0, "seen_before": 1, "sort": "-last_seen"})
        call("GET", admin + "devices/{id}", 200, {"id": device})
        call("POST", admin + "devices/{id}/approve", 200, {"id": device})
        pin = {"id": device, **hardware}
        call("PUT", admin + "devices/{id}/pins/{hardware_id}", 200, pin, body={"version": "1.0.0"})
        self.assertEqual(self.api.call("GET", admin + "devices/{id}", {"id": device}).json()["pins"][0]["release"], 1)
        call("DELETE", admin + "devices/{id}/pins/{hardware_id}", 204, pin)
        call("GET", admin + "inventory", 200, query={"state": "running", "error": "none", "device": device})
        self.assertEqual(call("GET", admin + "statistics", 200).json()["devices"], 2)
        call("POST", admin + "devices/{id}/slots/{slot}/try-again", 409, {"id": device, "slot": 0})
        call("POST", admin + "devices/{id}/replace", 200, {"id": device}, body={"by": other})
        call("POST", admin + "devices/{id}/revoke", 200, {"id": other})
        call("GET", admin + "device-server", 200)
        call("PUT", admin + "device-server", 200, body={"host": "drivers.example", "port": 8780})
        call("DELETE", admin + "device-server", 204)
        call("POST", admin + "fleet-keys", 201, body={"generation": 1})
        call("GET", admin + "fleet-keys", 200)
        call("POST", admin + "tokens", 201, body={"name": "walker", "scopes": ["read"]})
        call("GET", admin + "tokens", 200)
        call("GET", admin + "tokens/{name}", 200, {"name": "walker"})
        call("DELETE", admin + "tokens/{name}", 204, {"name": "walker"})
        call("GET", admin + "audit", 200, query={"actor": "token:admin", "action": "publish", "since": 1})
        chain = call("GET", admin + "audit/chain", 200, query={"after": 1, "limit": 1000}).json()
        last = chain["rows"][-1]
        self.assertEqual((chain["rows"][0]["id"], chain["head"], chain["numbered"]), (2, f"{last['id']}:{last['hash']}", last["id"]))
        call("POST", admin + "server-key", 200, body={})
        self.assertEqual({(each.method, each.path) for each in self.description.admin()} - done, set())

    def test_the_description_is_served_as_it_is(self):
        served = self.client("").call("GET", "/v1/openapi.json")
        document = {name: value for name, value in self.description.document.items() if name != "x-conventions"}
        self.assertEqual(served.json(), json.loads(json.dumps(document)))
        again = self.client("").call("GET", "/v1/openapi.json", headers={"If-None-Match": served.headers["etag"]})
        self.assertEqual(again.status, 304)


class Errors(ApiCase):
    """Every error that is described happens, wherever it is described."""

    def body_for(self, operation):
        return {} if operation.method in ("POST", "PUT") else None

    def ask(self, operation, api=None, query=None, headers=None, body=None, media="application/json"):
        answer = (api or self.api).send(operation.method, operation.target(query=query), body if body is not None else self.body_for(operation),
                                        headers, operation.body_types[0] if operation.body_types else media)
        operation.check(answer)
        return answer

    def check(self, operation, answer, status, code):
        with self.subTest(f"{operation} {status}"):
            self.assertEqual((answer.status, answer.code), (status, code), answer.body)
            problem = answer.json()
            self.assertTrue(problem["hint"])
            self.assertIn(answer.headers["x-request-id"], problem["instance"])

    def test_400_401_404_and_412(self):
        nobody = self.client("wrong")
        for operation in self.description.admin():
            self.check(operation, self.ask(operation, nobody), 401, "unauthorised")
            self.check(operation, self.ask(operation, query={"colour": "red"}), 400, "invalid_argument")
            body = {"hardware_id": "hat:Nobody:0001", "version": "9.9.9"} if operation.path.endswith("yank") else None
            body = {"by": "nobody-either"} if operation.path.endswith("replace") else body
            body = {"release": 1} if operation.method == "PUT" and "/pins/" in operation.path else body
            if operation.path.endswith("deprecate"):
                body = {"hardware_id": "hat:Nobody:0001", "version": "9.9.9"} | ({} if "unde" in operation.path else {"message": "x"})
            query = {"hardware_id": "hat:Nobody:0001", "device": "nobody"} if operation.path.endswith("explain") else None
            if "404" in operation.responses and ("{" in operation.path or body or query):
                self.check(operation, self.ask(operation, query=query, body=body), 404, "not_found")
            if operation.method != "GET" and not operation.has_parameter("If-Match"):
                self.check(operation, self.ask(operation, headers={"If-Match": '"x"'}), 400, "invalid_argument")

    def test_a38_too_small_a_scope_is_refused_everywhere(self):
        clients = {scope: self.client(self.new_token("may-" + scope, scope)) for scope in SCOPES}
        for operation in self.description.admin():
            for scope, client in clients.items():
                allowed = operation.scope in {scope} | IMPLIED.get(scope, set())
                # What is no JSON changes nothing where it would be allowed.
                body = b"{" if operation.method in ("POST", "PUT") else None
                answer = client.send(operation.method, operation.target(), body, {"Content-Type": PACKAGES})
                with self.subTest(f"{operation} by {scope}"):
                    if allowed:
                        self.assertNotIn(answer.code, ("forbidden", "unauthorised"))
                    else:
                        self.assertEqual((answer.status, answer.code), (403, "forbidden"))
                        self.assertIn(f"'{operation.scope}'", answer.json()["detail"])

    def test_a38_a_limited_token_is_refused_wherever_it_is_not_said(self):
        token = self.new_token("acme", "publish", hardware=["hat:Acme:*"])
        client = self.client(token)
        for operation in self.description.admin():
            body = b"{" if operation.method in ("POST", "PUT") else None
            answer = client.send(operation.method, operation.target(), body, {"Content-Type": PACKAGES})
            with self.subTest(str(operation)):
                if operation.scope not in ("read", "publish") or operation.limited == "refused":
                    self.assertEqual((answer.status, answer.code), (403, "forbidden"))
                    self.assertIn(f"'{operation.scope}'", answer.json()["detail"])
                elif operation.limited == "allowed":
                    self.assertEqual(answer.status, 200)
                # Of what is its own it named another one, or a package that is not there.
                elif "{hardware_id}" in operation.path:
                    self.assertEqual((answer.status, answer.code), (403, "forbidden"))

    def test_a38_a_limited_token_sees_and_publishes_its_own_hardware_ids_only(self):
        acme, other, admin = "hat:Acme:0001", live.HARDWARE_ID, "/v1/admin/"
        self.server.delegate(acme, "acme")
        client = self.client(self.new_token("vendor", "publish", hardware=["hat:Acme:*"]))
        mine, theirs = self.package("1.0.0", acme, "acme"), self.package("1.0.0")
        refused = client.call("POST", admin + "releases", body=theirs, media=PACKAGES)
        self.assertEqual((refused.status, refused.code), (403, "forbidden"))
        self.assertIn(other, refused.json()["detail"])
        self.assertEqual(self.api.call("GET", admin + "releases").json()["releases"], [])
        self.assertEqual(client.call("POST", admin + "releases", body=mine, media=PACKAGES).status, 201)
        digests = {acme: client.call("GET", admin + "releases").json()["releases"][0]["variants"][0]["digest"]}
        digests[other] = self.api.call("POST", admin + "releases", body=theirs, media=PACKAGES).json()["packages"][0]["digest"]
        for path in ("releases", "drivers", "policy"):
            rows = next(iter(client.call("GET", admin + path).json().values()))
            self.assertEqual([row["hardware_id"] for row in rows], [acme], path)
        publishers = client.call("GET", admin + "publishers").json()["publishers"]
        self.assertEqual([row["hardware_ids"] for row in publishers], [[acme]])
        for hardware_id, status in ((acme, 200), (other, 403)):
            values = {"hardware_id": hardware_id, "version": "1.0.0", "sha256": digests[hardware_id]}
            for path in ("releases/{hardware_id}/{version}", "drivers/{hardware_id}", "policy/{hardware_id}", "packages/{sha256}",
                         "packages/{sha256}/content"):
                with self.subTest(f"{path} of {hardware_id}"):
                    self.assertEqual(client.call("GET", admin + path, values).status, status)
            explained = client.call("GET", admin + "explain", query={"hardware_id": hardware_id, "abi": "6.3-armv7m"})
            self.assertEqual(explained.status, status)
            match = {"hardware_id": hardware_id, "version": "1.0.0", "driver_name": "acme", "revision_min": 0, "revision_max": 1, "variants": []}
            self.assertEqual(client.call("POST", admin + "releases/match", body=match).status, status)
        device = self.enroll("somebody's")
        self.assertEqual(client.call("GET", admin + "explain", query={"hardware_id": acme, "device": device}).status, 403)
        # Not even its own release is a publisher's to take back.
        yank = client.call("POST", admin + "releases/yank", body={"hardware_id": acme, "version": "1.0.0"})
        self.assertEqual((yank.status, yank.code), (403, "forbidden"))

    def test_413_before_the_body_is_sent(self):
        for operation in self.description.admin():
            if "413" not in operation.responses or not operation.body_types:
                continue
            connection = socket.create_connection(("127.0.0.1", self.server.ports[1]), timeout=20)
            self.addCleanup(connection.close)
            connection.sendall(f"{operation.method} {operation.target()} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {self.token}\r\n"
                               f"Content-Type: {operation.body_types[0]}\r\nContent-Length: 99999999999\r\n\r\n".encode())
            with self.subTest(str(operation)):
                self.assertIn(b" 413 ", connection.recv(65536).split(b"\r\n")[0])

    def test_415_where_the_type_is_told(self):
        for operation in self.description.admin():
            if "415" in operation.responses:
                answer = self.api.send(operation.method, operation.target(), b"x", media="text/plain")
                operation.check(answer)
                self.check(operation, answer, 415, "invalid_argument")

    def test_409_and_422(self):
        self.new_token("twice", "read")
        again = self.api.call("POST", "/v1/admin/tokens", body={"name": "twice", "scopes": ["read"]})
        self.assertEqual((again.status, again.code), (409, "conflict"))
        damaged = bytearray(self.package("1.0.0"))
        damaged[-1] ^= 1
        answer = self.api.call("POST", "/v1/admin/releases", body=bytes(damaged), media=PACKAGES)
        self.assertIn(answer.status, (400, 422))

    def test_429_beyond_a_tokens_share(self):
        token = self.new_token("greedy", "operate")
        for _ in range(16):
            held = socket.create_connection(("127.0.0.1", self.server.ports[1]), timeout=20)
            self.addCleanup(held.close)
            held.sendall(f"POST /v1/admin/devices HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n".encode())
        greedy = self.client(token)
        refused = live.wait_for("the token's share to be at work",
                                lambda: (a := greedy.call("GET", "/v1/admin/status")).status == 429 and a)
        self.assertEqual(refused.code, "too_many_requests")
        self.assertEqual(self.api.call("GET", "/v1/admin/status").status, 200)


class Pages(ApiCase):
    def test_all_devices_come_once_in_every_order(self):
        made = {self.enroll(f"board-{n % 97}-{n}") for n in range(DEVICES)}
        self.assertEqual(len(made), DEVICES)
        for sort in ("id", "-id", "name", "-name", "last_seen", "-last_seen"):
            with self.subTest(sort):
                rows = [row for page in self.api.pages("/v1/admin/devices", sort=sort, limit=max(7, DEVICES // 10)) for row in page]
                self.assertEqual(len(rows), DEVICES)
                self.assertEqual({row["id"] for row in rows}, made)
                key = {"id": lambda r: r["id"], "name": lambda r: (r["name"], r["id"]), "last_seen": lambda r: (0, r["id"])}[sort.lstrip("-")]
                self.assertEqual(rows, sorted(rows, key=key, reverse=sort.startswith("-")))
        # Whoever comes and goes between two pages neither repeats nor hides another one.
        pages = self.api.pages("/v1/admin/devices", limit=10)
        seen = [row["id"] for row in next(pages)]
        late = {self.enroll("late") for _ in range(5)}
        seen += [row["id"] for page in pages for row in page]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual(made, set(seen))
        self.assertLessEqual(set(seen), made | late)
        # The command line pages through as well.
        self.assertEqual(len(json.loads(self.server.admin("device", "list", "--json").stdout)["devices"]), DEVICES + 5)
        self.assertEqual(len(json.loads(self.server.admin("device", "list", "--json", "--name", "late").stdout)["devices"]), 5)
        # The audit log, forward and backward.
        forward = [row["id"] for page in self.api.pages("/v1/admin/audit", limit=100, action="device-enroll") for row in page]
        self.assertEqual(forward, sorted(set(forward)))
        self.assertEqual(len(forward), DEVICES + 5)
        newest = list(self.api.pages("/v1/admin/audit", limit=100, order="newest", action="device-enroll"))
        self.assertEqual([row["id"] for page in reversed(newest) for row in page], forward)

    def test_a_page_has_bounds_and_its_cursor_one_list(self):
        for limit in (0, 1001, -1, "many"):
            self.assertEqual(self.api.call("GET", "/v1/admin/devices", query={"limit": limit}).status, 400)
        for name in ("p1", "p2", "p3"):
            self.new_token(name, "read")
        link = self.api.call("GET", "/v1/admin/tokens", query={"limit": 1}).next
        cursor = link.split("cursor=")[1]
        for path, query in (("devices", {}), ("releases", {"yanked": 1}), ("audit", {})):
            self.assertEqual(self.api.call("GET", "/v1/admin/" + path, query={"cursor": cursor, **query}).status, 400)


class Concurrency(ApiCase):
    def test_a_lost_update_is_prevented_by_if_match(self):
        path = "/v1/admin/device-server"
        anna, ben = self.client(), self.client()
        read = [each.call("GET", path).headers["etag"] for each in (anna, ben)]
        self.assertEqual(read[0], read[1])
        place = lambda host: {"host": host, "port": 8780}  # noqa: E731
        self.assertEqual(anna.call("PUT", path, body=place("a.example"), headers={"If-Match": read[0]}).status, 200)
        lost = ben.call("PUT", path, body=place("b.example"), headers={"If-Match": read[1]})
        self.assertEqual((lost.status, lost.code), (412, "changed"))
        now = ben.call("GET", path, headers={"If-None-Match": read[1]})
        self.assertEqual((now.status, now.json()["host"]), (200, "a.example"))
        self.assertEqual(ben.call("GET", path, headers={"If-None-Match": now.headers["etag"]}).status, 304)
        self.assertEqual(ben.call("PUT", path, body=place("b.example"), headers={"If-Match": now.headers["etag"]}).status, 200)

    def test_a38_a_retried_publish_is_made_once_and_its_key_is_good_for_nothing_else(self):
        path, body, key = "/v1/admin/releases", self.package("1.0.0"), {"Idempotency-Key": secrets.token_hex(16)}
        first = self.api.call("POST", path, body=body, headers=key, media=PACKAGES)
        self.assertEqual((first.status, first.json()["packages"][0]["status"]), (201, "stored"))
        again = self.api.call("POST", path, body=body, headers=key, media=PACKAGES)
        self.assertEqual((again.status, again.body), (201, first.body))
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        other = self.api.call("POST", path, body=self.package("1.1.0"), headers=key, media=PACKAGES)
        self.assertEqual((other.status, other.code), (422, "key_reused"))
        rows = [row for page in self.api.pages("/v1/admin/audit", action="publish") for row in page]
        self.assertEqual(len([row for row in rows if row["detail"]["version"] == "1.0.0"]), 1)

    def test_a_publish_whose_server_dies_is_made_once(self):
        path, key = "/v1/admin/releases", {"Idempotency-Key": secrets.token_hex(16)}
        version = "2.0.0"
        body = self.package(version)
        listed = lambda api: [r for page in api.pages(path) for r in page if r["version"] == version]  # noqa: E731
        for _ in range(20 if FULL else 3):
            lost = self.client()
            headers = {**key, "Authorization": f"Bearer {self.token}", "Content-Type": PACKAGES}
            lost.connection.request("POST", path, body, headers)
            self.server.kill()
            self.server.start()
        answer = self.client().call("POST", path, body=body, headers=key, media=PACKAGES)
        self.assertIn(answer.status, (200, 201), answer.body)
        self.assertEqual(len(listed(self.client())), 1)
        rows = [row for page in self.client().pages("/v1/admin/audit", action="publish") for row in page]
        self.assertEqual(len([row for row in rows if row["detail"]["version"] == version]), 1)


if __name__ == "__main__":
    unittest.main()
