"""schema/openapi.yaml as a client reads it: operations, and whether an answer is one that it describes."""

import http.client
import json
import pathlib
import re
import urllib.parse

import yaml

PATH = pathlib.Path(__file__).resolve().parents[3] / "schema/openapi.yaml"
METHODS = ("get", "put", "post", "delete")
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}


class Description:
    def __init__(self):
        self.document = yaml.safe_load(PATH.read_text())
        self.operations = {}
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    self.operations[method.upper(), path] = Operation(self, method.upper(), path, item[method])

    def resolve(self, value):
        if "$ref" not in value:
            return value
        found = self.document
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return self.resolve(found)

    def admin(self):
        return [each for each in self.operations.values() if each.path.startswith("/v1/admin/")]

    def check(self, schema, value, where):
        """Everything that is told is described, and is of the type that is described."""
        schema = self.resolve(schema)
        if "allOf" in schema:
            schema = {"type": "object", "properties": {name: each for part in schema["allOf"]
                                                       for name, each in self.resolve(part).get("properties", {}).items()}}
        types = schema.get("type", [])
        types = types if isinstance(types, list) else [types]
        if types and not any(isinstance(value, TYPES[each]) and (each != "integer" or not isinstance(value, bool)) for each in types):
            raise AssertionError(f"{where} is {value!r}, not {types}")
        if "enum" in schema and value not in schema["enum"]:
            raise AssertionError(f"{where} is {value!r}, not one of {schema['enum']}")
        if isinstance(value, list):
            for each in value:
                self.check(schema["items"], each, where + "[]")
        if isinstance(value, dict) and "properties" in schema:
            if missing := set(schema.get("required", [])) - set(value):
                raise AssertionError(f"{where} lacks {missing}")
            for name, each in value.items():
                if name not in schema["properties"]:
                    raise AssertionError(f"{where}.{name} is not described")
                self.check(schema["properties"][name], each, f"{where}.{name}")


class Operation:
    def __init__(self, description, method, path, value):
        self.description, self.method, self.path = description, method, path
        self.responses = value["responses"]
        self.parameters = [description.resolve(each) for each in value.get("parameters", [])]
        self.scope = value["security"][0]["token"][0] if "security" in value else None
        self.limited = value.get("x-limited", "refused")
        self.body_types = list(description.resolve(value.get("requestBody", {})).get("content", {}))

    def __str__(self):
        return f"{self.method} {self.path}"

    def has_parameter(self, name):
        return any(each["name"] == name for each in self.parameters)

    def target(self, values=None, query=None):
        """The path with its {names} filled in; those without a value are something that does not exist."""
        filled = re.sub(r"{(\w+)}", lambda m: urllib.parse.quote(str((values or {}).get(m[1], self.absent(m[1]))), safe=""), self.path)
        return filled + ("?" + urllib.parse.urlencode(query) if query else "")

    @staticmethod
    def absent(name):
        return {"slot": 0, "hardware_id": "hat:Nobody:0001", "version": "9.9.9", "sha256": "00" * 32}.get(name, "nobody")

    def check(self, answer):
        """Is the answer one of those that are described?"""
        described = self.responses.get(str(answer.status), self.responses.get("default"))
        if described is None:
            raise AssertionError(f"{self}: {answer.status} is not described")
        if str(answer.status) not in self.responses:
            raise AssertionError(f"{self}: {answer.status} is described by default only: {answer.body!r}")
        described = self.description.resolve(described)
        for name in described.get("headers", {}):
            if name != "Link" and name.lower() not in answer.headers and (name != "ETag" or self.method == "GET"):
                raise AssertionError(f"{self}: {answer.status} has no {name}")
        content = described.get("content")
        if content is None:
            if answer.body:
                raise AssertionError(f"{self}: {answer.status} has a body")
            return
        media = answer.headers["content-type"]
        if media not in content:
            raise AssertionError(f"{self}: {answer.status} is {media}")
        if media.endswith("json"):
            self.description.check(content[media]["schema"], answer.json(), str(self))


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json()["code"] if self.status >= 400 else None

    @property
    def next(self):
        """The target of the next page."""
        match = re.fullmatch(r'<([^>]+)>; rel="next"', self.headers.get("link", ""))
        return match[1] if match else None


class Client:
    """One connection; every answer is held against the description."""

    def __init__(self, description, port, token):
        self.description, self.port, self.token = description, port, token
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(self, method, target, body=None, headers=None, media="application/json"):
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("Content-Type", media)
        elif method in ("POST", "PUT"):
            data = b""
        self.connection.request(method, target, data, headers)
        return Answer(self.connection.getresponse())

    def call(self, method, path, values=None, query=None, body=None, headers=None, media="application/json"):
        operation = self.description.operations[method, path]
        answer = self.send(method, operation.target(values, query), body, headers, media)
        operation.check(answer)
        return answer

    def pages(self, path, **query):
        """Every page of a list, as its Links lead."""
        operation = self.description.operations["GET", path]
        target = operation.target(query=query)
        while target:
            answer = self.send("GET", target)
            operation.check(answer)
            yield next(iter(answer.json().values()))
            target = answer.next

    def close(self):
        self.connection.close()
