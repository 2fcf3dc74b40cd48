"""What black-box tests need: a real daemon, real motherboards, and a network between them that one can watch and bend.

Everything runs on loopback in a temporary folder. Standard library only.
"""

import json
import os
import pathlib
import queue
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

REPO = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("MPYD_BUILD_DIR", REPO / "build"))
MPYD = pathlib.Path(os.environ.get("MPYD_BINARY", BUILD / "mpyd"))
MICROPYTHON = BUILD / "micropython-unix"
# What the user of this machine has configured is no part of a test.
os.environ.update(MPYD_PROFILE="none", MPYD_CONFIG="none")
HARDWARE_ID = "hat:Meadow%20Instruments:0042"
ENODEV = 19


def mpyd(*args, check=True, token_file=None, env=None):
    """Runs the command line; returns the completed process with text output."""
    environment = dict(os.environ, **(env or {}))
    if token_file:
        environment["MPYD_TOKEN_FILE"] = str(token_file)
    done = subprocess.run([MPYD, *map(str, args)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=environment)
    if check and done.returncode != 0:
        raise AssertionError(f"mpyd {' '.join(map(str, args))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_for(what, condition, timeout_s=20.0):
    """Polls until `condition()` is true and returns its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.02)


class Server:
    """An initialised mpyd with a publisher; `start` and `kill` at will, always on the same ports."""

    launcher = ()  # a command that runs the daemon, such as ("prlimit", "--nofile=1000")
    daemon = MPYD  # the program it runs

    def __init__(self, folder, init=()):
        self.data = folder / "server"
        self.keys = folder / "keys"
        self.process = None
        self.ports = None
        mpyd("init", "--data", self.data, "--keys", self.keys, *init)
        self.root = self.keys / "root.mpyd"
        self.token_file = self.keys / "admin.token"
        self.publisher = self.new_publisher("publisher")

    def new_publisher(self, name):
        key = self.keys / f"{name}.key"
        mpyd("keygen", "--role", "publisher", "--out", key)
        return key

    def start(self):
        listen, admin = self.ports or (0, 0)
        self.log = open(self.data.parent / "server.log", "ab")
        self.process = subprocess.Popen(
            [*self.launcher, self.daemon, "serve", "--data", self.data, "--listen", f"127.0.0.1:{listen}", "--admin-listen", f"127.0.0.1:{admin}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        info = self.data / "serve.json"

        def ready():
            if self.process.poll() is not None:
                raise AssertionError((self.data.parent / "server.log").read_text())
            try:
                said = json.loads(info.read_text())
            except (OSError, ValueError):
                return None
            return said if said.get("pid") == self.process.pid else None

        said = wait_for("the daemon to listen", ready)
        self.ports = tuple(int(said[name].rsplit(":", 1)[1]) for name in ("listen", "admin_listen"))
        return self

    @property
    def port(self):
        return self.ports[0]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.ports[1]}"

    def stop(self):
        if self.process:
            self.process.terminate()
            code = self.process.wait(timeout=20)
            self.process = None
            self.log.close()
            return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None
        self.log.close()

    def admin(self, *args, **kwargs):
        return mpyd(*args, "--server", self.url, token_file=self.token_file, **kwargs)

    def delegate(self, hardware_id=HARDWARE_ID, name="thermo", publisher=None):
        key = publisher or self.publisher
        return self.admin("trust", "delegate", "--hardware-id", hardware_id, "--name", name, "--publisher", f"{key}.pub",
                          "--key", self.keys / "targets.key", "--root", self.root, "--yes")

    def publish(self, *files, hardware_id=HARDWARE_ID, name="thermo", version="1.0.0", publisher=None, more=(), check=True):
        return self.admin("publish", *files, "--hardware-id", hardware_id, "--name", name, "--version", version,
                          "--key", publisher or self.publisher, "--root", self.root, *more, check=check)

    def provision(self, name, out, port=None):
        self.admin("device", "provision", "--name", name, "--out", out, "--root", self.root,
                   "--device-server", f"127.0.0.1:{port or self.port}")
        return out


class Wire:
    """A TCP relay that keeps every byte of both directions, and may change what goes to the device.

    `tamper(data, offset)` gets each piece of an answer and its offset in it, and returns what is passed on.
    """

    def __init__(self, target_port):
        self.target_port = target_port
        self.captured = bytearray()
        self.tamper = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.target_port))
        except OSError:
            # As if nobody listened there: a reset, not an orderly close.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        state = {"request": b""}
        back = threading.Thread(target=self._pump, args=(server, client, state, True), daemon=True)
        back.start()
        self._pump(client, server, state, False)
        back.join(timeout=10)
        client.close()
        server.close()

    def _pump(self, source, sink, state, to_device):
        offset = 0
        try:
            while data := source.recv(65536):
                self.captured += data
                if to_device:
                    if self.tamper:
                        data = self.tamper(data, offset, state["request"])
                    offset += len(data)
                else:
                    state["request"] += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


def flip_in_package(bit):
    """A tamper function: flips one bit of a package's body, counted from the end of the HTTP head."""
    progress = {}

    def tamper(data, offset, request):
        if not request.startswith(b"GET /v1/packages/"):
            return data
        state = progress.setdefault(id(request), {"head": b"", "at": None})
        if offset == 0:
            state = progress[id(request)] = {"head": b"", "at": None}
        if state["at"] is None:
            state["head"] += data
            end = state["head"].find(b"\r\n\r\n")
            if end < 0:
                return data
            state["at"] = end + 4 + bit // 8 - offset
        at = state["at"]
        if 0 <= at < len(data):
            data = bytearray(data)
            data[at] ^= 1 << bit % 8
            data = bytes(data)
        state["at"] = at - len(data)
        return data

    return tamper


class EventProgram:
    """A program that is told what to do on standard input and prints JSON objects, a line each: `events`, and answers."""

    process = None
    patience_s = 20.0  # for an event, an answer, the end

    def launch(self, command):
        self.events = []
        self.answers = queue.Queue()
        self.errors = []
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.readers = [threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True),
                        threading.Thread(target=self._read_errors, args=(self.process.stderr,), daemon=True)]
        for reader in self.readers:
            reader.start()
        return self

    def _read(self, stream):
        for line in stream:
            try:
                said = json.loads(line)
            except ValueError:
                self.errors.append(line)
                continue
            (self.events.append if "event" in said else self.answers.put)(said)

    def _read_errors(self, stream):
        self.errors.extend(stream)

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def stop(self):
        """Lets it end in order; it says whether that went well."""
        if self.process:
            self.process.stdin.close()
            code = self.close()
            if code != 0:
                raise AssertionError(f"the motherboard ended with {code}\n{self._told()}")

    def kill(self):
        """As a power cut."""
        self.process.kill()
        self.close()

    def close(self):
        """Waits for the end and reads all that was said before it."""
        code = self.process.wait(timeout=self.patience_s)
        for reader in self.readers:
            reader.join(timeout=5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        self.process = None
        return code

    def _told(self):
        return f"events: {self.events}\n{''.join(self.errors)}"

    def find(self, kind, slot=None, since=0, **values):
        return [e for e in self.events[since:] if e["event"] == kind and slot in (None, e.get("slot"))
                and all(e.get(name) == value for name, value in values.items())]

    def count(self, kind, slot=None):
        return len(self.find(kind, slot))

    def wait_event(self, kind, slot=None, since=0, count=1, timeout_s=None, **values):
        """The `count`-th event of this kind (for this slot, with these values), from the `since`-th event on."""
        def found():
            if self.process.poll() is not None:
                raise AssertionError(f"the motherboard ended with {self.process.returncode}")
            matching = self.find(kind, slot, since, **values)
            return matching[count - 1] if len(matching) >= count else None

        try:
            return wait_for(kind, found, timeout_s or self.patience_s)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self._told()}") from None


class Motherboard(EventProgram):
    """MicroPython with the agent on a directory bus; slots are folders behind an emulated mux."""

    def __init__(self, folder, identity, **options):
        self.folder = folder
        self.bus = folder / "bus"
        self.cache = folder / "cache"
        self.bus.mkdir(parents=True, exist_ok=True)
        self.identity = identity
        self.options = options

    def start(self):
        arguments = dict(bus=str(self.bus), identity=str(self.identity), cache=str(self.cache), **self.options)
        return self.launch([MICROPYTHON, REPO / "tests/support/live/motherboard.py", json.dumps(arguments)])

    def ask(self, do, **fields):
        """Sends a command and returns the whole answer object."""
        self.tell(json.dumps(dict(do=do, **fields)))
        try:
            return self.answers.get(timeout=self.patience_s)
        except queue.Empty:
            raise AssertionError(f"no answer to {do}\n{self._told()}") from None

    def call(self, slot, method, *args):
        said = self.ask("call", slot=slot, method=method, args=args)
        if "answer" not in said:
            raise AssertionError(said)
        return said["answer"]

    def plug(self, slot, image, sensor_mdeg=None):
        """Adds a board: first its sensor, then, in one step, its EEPROM."""
        place = self.bus / f"slot{slot}"
        place.mkdir(exist_ok=True)
        if sensor_mdeg is not None:
            self.set_temperature(slot, sensor_mdeg)
        shutil.copy(image, place / ".50.eep.new")
        os.replace(place / ".50.eep.new", place / "50.eep")

    def pull(self, slot):
        shutil.rmtree(self.bus / f"slot{slot}")

    def set_temperature(self, slot, mdeg):
        """Sets the register file of a TMP105: 12 bits of 1/16 degree, left-aligned."""
        raw = (round(mdeg * 16 / 1000) << 4) & 0xFFFF
        place = self.bus / f"slot{slot}"
        registers = {0: f"{raw >> 8:02x} {raw & 255:02x}", 1: "00", 2: "4b 00", 3: "50 00"}
        path = place / "48.regs"
        if path.exists():
            for line in path.read_text().splitlines():
                number, _, value = line.partition(":")
                if number.strip() and int(number, 16) != 0:
                    registers[int(number, 16)] = value.strip()
        new = place / ".48.regs.new"
        new.write_text("".join(f"{n:02x}: {v}\n" for n, v in sorted(registers.items())))
        os.replace(new, path)


def build_driver(source, out, name=None, archs=None):
    """Builds a driver's variants, unless told otherwise x64 (if there is a .c) and bytecode; their paths by arch."""
    archs = archs or ("x64,any" if list(pathlib.Path(source).glob("*.c")) else "any")
    arguments = [REPO / "deploy/driver", "build", source, "--arch", archs, "--out", out]
    if name:
        arguments += ["--name", name]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return {pathlib.Path(line).parent.name: pathlib.Path(line) for line in done.stdout.splitlines()}


def temporary_folder():
    return pathlib.Path(tempfile.mkdtemp(prefix="mpyd-test-"))
