#!/usr/bin/python3
"""The admin listener: who may do what, and what goes wrong how."""

import time
import unittest

from support import BYTECODE, DaemonCase, live

HARDWARE_ID = live.HARDWARE_ID


class Access(DaemonCase):
    def new_token(self, name, *scopes, **more):
        answer = self.admin("POST", "/v1/admin/tokens", {"name": name, "scopes": list(scopes), **more})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["token"]

    def test_nothing_is_told_without_a_token(self):
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"},
                        {"Authorization": f"Basic {self.token}"}, {"Authorization": self.token}):
            with self.subTest(headers):
                answer = self.request("GET", "/v1/admin/status", headers, port=self.admin_port)
                self.assert_problem(answer, 401, "unauthorised")
                self.assertIn("Bearer", answer.headers["www-authenticate"])

    def test_a_large_upload_is_refused_before_its_body_is_read(self):
        connection = self.connect(self.admin_port)
        connection.send(b"POST /v1/admin/releases HTTP/1.1\r\nHost: t\r\nContent-Length: 60000000\r\n"
                        b"Expect: 100-continue\r\n\r\n")
        self.assertEqual(connection.receive().status, 401)

    def test_a38_scopes_hold(self):
        reader = self.new_token("reader", "read")
        publisher = self.new_token("publisher", "publish")
        operator = self.new_token("operator", "operate")
        enroll = self.new_token("enroll", "enroll")
        selection = {"hardware_id": HARDWARE_ID, "version": "9.9.9"}
        cases = [
            (reader, "GET", "/v1/admin/releases", None, 200), (reader, "POST", "/v1/admin/releases/yank", selection, 403),
            (reader, "GET", "/v1/admin/tokens", None, 403), (publisher, "GET", "/v1/admin/trust", None, 200),
            (publisher, "POST", "/v1/admin/releases/yank", selection, 403),
            (publisher, "POST", "/v1/admin/devices", {}, 403), (operator, "POST", "/v1/admin/releases/yank", selection, 404),
            (operator, "POST", "/v1/admin/releases/match", {}, 403), (operator, "POST", "/v1/admin/tokens", {}, 403),
            (enroll, "GET", "/v1/admin/status", None, 403),
        ]
        for token, method, target, value, status in cases:
            with self.subTest(method + " " + target):
                self.assertEqual(self.admin(method, target, value, token).status, status)

    def test_a38_expired_used_and_revoked_tokens_are_worth_nothing(self):
        short = self.new_token("short", "read", expires_unix_s=int(time.time()) + 1)
        once = self.new_token("once", "read", uses_max=1)
        gone = self.new_token("gone", "read")
        # What is refused takes no use.
        for target, status in (("/v1/admin/audit?limit=x", 400), ("/v1/admin/devices/none", 404), ("/v1/admin/tokens", 403)):
            self.assertEqual(self.admin("GET", target, token=once).status, status)
        self.assertEqual(self.admin("GET", "/v1/admin/status", token=once).status, 200)
        self.assertEqual(self.admin("DELETE", "/v1/admin/tokens/gone").status, 204)
        self.assert_problem(self.admin("DELETE", "/v1/admin/tokens/gone"), 404, "not_found")
        time.sleep(1.1)
        for token in (short, once, gone):
            self.assert_problem(self.admin("GET", "/v1/admin/status", token=token), 401, "unauthorised")

    def test_no_secret_is_in_the_log(self):
        secret = self.new_token("secret", "read")
        self.admin("GET", "/v1/admin/status", token=secret)
        # A request is logged after its answer has gone out.
        log = live.wait_for("the request in the log", lambda: "token:secret" in self.read_log() and self.read_log())
        self.assertIn("/v1/admin/status", log)
        self.assertNotIn(secret, log)
        self.assertNotIn(self.token, log)


    def read_log(self):
        return (self.folder / "server.log").read_text()


class Requests(DaemonCase):
    def test_unknown_and_wrong_fields_are_named(self):
        post = lambda value: self.admin("POST", "/v1/admin/tokens", value)  # noqa: E731
        self.assertIn("'colour'", self.assert_problem(post({"name": "a", "scopes": ["read"], "colour": 1}), 400,
                                                      "invalid_argument")["detail"])
        self.assertIn("'name'", self.assert_problem(post({"scopes": ["read"]}), 400, "invalid_argument")["detail"])
        self.assertIn("'root'", self.assert_problem(post({"name": "a", "scopes": ["root"]}), 400, "invalid_argument")["detail"])
        answer = self.request("POST", "/v1/admin/tokens", {"Authorization": f"Bearer {self.token}"}, b"{", self.admin_port)
        self.assert_problem(answer, 400, "malformed")

    def test_a_body_may_come_after_100_continue_and_in_chunks(self):
        connection = self.connect(self.admin_port)
        connection.send(f"POST /v1/admin/devices HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {self.token}\r\n"
                        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        self.assertEqual(connection.receive().status, 100)
        for piece in (b'{"public_key":"', b"ab" * 32, b'","name":"x"}', b""):
            connection.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.assertEqual(connection.receive().status, 201)

    def test_bodies_need_their_content_type(self):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.admin("POST", "/v1/admin/devices", headers=headers)
        self.assertEqual(answer.status, 415)
        answer = self.admin("POST", "/v1/admin/releases", headers={"Content-Type": "text/plain"})
        self.assertEqual(answer.status, 415)

    def test_an_empty_idempotency_key_is_none(self):
        for headers in ({"Idempotency-Key": ""}, {"Idempotency-Key": " "}):
            answer = self.admin("POST", "/v1/admin/tokens", {"name": "keyless", "scopes": ["read"]}, headers=headers)
            self.assert_problem(answer, 400, "invalid_argument")
        self.assertEqual(self.admin("GET", "/v1/admin/tokens/keyless").status, 404)

    def test_devices_are_enrolled_once_and_revoked_for_good(self):
        device = {"public_key": "cd" * 32, "name": "bench"}
        first = self.admin("POST", "/v1/admin/devices", device)
        self.assertEqual(first.status, 201)
        again = self.admin("POST", "/v1/admin/devices", device)
        self.assertEqual((again.status, again.json()), (200, first.json()))
        name = first.json()["id"]
        self.assertEqual(self.admin("GET", f"/v1/admin/devices/{name}").json()["boards"], [])
        self.assertTrue(self.admin("POST", f"/v1/admin/devices/{name}/revoke").json()["revoked"])
        self.assert_problem(self.admin("POST", "/v1/admin/devices", device), 403, "revoked")
        self.assert_problem(self.admin("GET", "/v1/admin/devices/none"), 404, "not_found")

    def test_a_slot_without_quarantine_is_not_tried_again(self):
        name = self.admin("POST", "/v1/admin/devices", {"public_key": "ce" * 32, "name": "x"}).json()["id"]
        self.assert_problem(self.admin("POST", f"/v1/admin/devices/{name}/slots/0/try-again"), 409, "conflict")
        self.assert_problem(self.admin("POST", f"/v1/admin/devices/{name}/slots/99/try-again"), 400, "invalid_argument")
        self.assert_problem(self.admin("POST", f"/v1/admin/devices/{name}/replace", {"by": name}), 400, "invalid_argument")
        self.assertEqual(self.admin("POST", f"/v1/admin/devices/{name}/approve").json()["state"], "enrolled")

    def test_devices_are_told_where_the_server_is_until_that_is_cancelled(self):
        target = "/v1/admin/device-server"
        self.assertIsNone(self.admin("GET", target).json()["host"])
        place = {"host": "drivers.example", "port": 8780}
        self.assertEqual(self.admin("PUT", target, place).json(), place)
        self.assertEqual(self.admin("GET", target).json(), place)
        self.assert_problem(self.admin("PUT", target, {"host": "http://x", "port": 1}), 400, "invalid_argument")
        self.assertEqual(self.admin("DELETE", target).status, 204)
        self.assertIsNone(self.admin("GET", target).json()["host"])

    def test_fleet_keys_are_made_one_after_the_other(self):
        target = "/v1/admin/fleet-keys"
        made = self.admin("POST", target, {"generation": 1})
        again = self.admin("POST", target, {"generation": 1})
        self.assertEqual((made.status, again.status), (201, 200))
        self.assertEqual(made.json(), again.json())
        self.assert_problem(self.admin("POST", target, {"generation": 3}), 409, "conflict")
        self.assertEqual(self.admin("GET", target).json()["keys"], [made.json()])

    def test_a39_a_device_key_of_small_order_is_not_enrolled(self):
        for key in ("00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f"):
            with self.subTest(key):
                answer = self.admin("POST", "/v1/admin/devices", {"public_key": key, "name": "weak"})
                self.assert_problem(answer, 400, "invalid_argument")

    def test_explain_tells_the_choice_and_every_reason(self):
        ask = f"/v1/admin/explain?hardware_id={HARDWARE_ID.replace('%', '%25')}&revision=3"
        told = self.admin("GET", ask + "&abi=6.3-armv7m").json()
        self.assertEqual(told["chosen"]["digest"], self.digest)
        selection = {"hardware_id": HARDWARE_ID, "version": "1.0.0"}
        self.assertEqual(self.admin("POST", "/v1/admin/releases/yank", selection).json()["changed"], 1)
        told = self.admin("GET", ask + "&abi=6.3-armv7m").json()
        self.assertIsNone(told["chosen"])
        self.assertEqual(told["rejected"][0]["reason"], "the operator withdrew it")
        self.assertEqual(self.admin("POST", "/v1/admin/releases/unyank", selection).json()["changed"], 1)
        self.assert_problem(self.admin("GET", ask), 400, "invalid_argument")
        self.assert_problem(self.admin("GET", "/v1/admin/explain?hardware_id=nonsense"), 400, "invalid_argument")

    def test_the_audit_log_tells_who_did_what(self):
        events = self.admin("GET", "/v1/admin/audit?limit=1000").json()["events"]
        done = [(event["actor"], event["action"]) for event in events]
        self.assertIn(("init", "init"), done)
        self.assertIn(("token:admin", "targets"), done)
        self.assertIn(("token:admin", "publish"), done)
        after = self.admin("GET", f"/v1/admin/audit?after={events[0]['id']}&limit=1").json()["events"]
        self.assertEqual(after, events[1:2])
        newest = self.admin("GET", "/v1/admin/audit?order=newest&limit=2").json()["events"]
        self.assertEqual(newest, events[-2:])
        self.assert_problem(self.admin("GET", "/v1/admin/audit?order=newest&after=1"), 400, "invalid_argument")
        self.assert_problem(self.admin("GET", "/v1/admin/audit?order=best"), 400, "invalid_argument")

    def test_targets_cannot_be_put_back(self):
        trust = self.admin("GET", "/v1/admin/trust").json()
        other = dict(head=trust["head"], entries=trust["entries"])
        self.assertEqual(self.admin("PUT", "/v1/admin/trust/targets", other).status, 200)
        before = self.admin("GET", "/v1/admin/trust").json()
        self.server.delegate("hat:Other:0001", "other")
        self.assert_problem(self.admin("PUT", "/v1/admin/trust/targets", other), 409, "rollback")
        other["entries"] = []
        self.assertNotEqual(self.admin("GET", "/v1/admin/trust").json(), before)
        self.assertEqual(len(self.admin("GET", "/v1/admin/trust").json()["entries"]), 2)

    def test_a38_a_published_version_is_not_overwritten(self):
        changed = self.folder / "changed.mpy"
        changed.write_bytes(BYTECODE.replace(b"board", b"bored"))
        done = self.server.publish(changed, check=False)
        self.assertEqual(done.returncode, 5, done.stderr)
        listed = self.admin("GET", "/v1/admin/releases").json()["releases"]
        self.assertEqual([v["digest"] for v in listed[0]["variants"]], [self.digest])


if __name__ == "__main__":
    unittest.main()
