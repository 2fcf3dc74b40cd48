"""A real daemon's other side on metal: drives deploy/motherboard, the emulated Cortex-M3, over its JSON lines."""

import json
import subprocess
import threading

import live

GUEST_HOST = "10.0.2.2"  # what QEMU's user network calls the machine it runs on


class MetalMotherboard:
    def __init__(self, folder, identity, slots, more=()):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.arguments = [live.REPO / "deploy/motherboard", "--json", "--identity", identity, "--flash", folder / "flash.img",
                          "--firmware", live.BUILD / "motherboard-mps2.elf"]
        for slot in slots:
            self.arguments += ["--slot", slot]
        self.arguments += more
        self.events = []
        self.process = None

    def start(self):
        self.events = []
        self.errors = []
        self.process = subprocess.Popen(list(map(str, self.arguments)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.readers = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _read_errors(self):
        self.errors.extend(self.process.stderr)

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def stop(self):
        if self.process:
            self.process.stdin.close()
            code = self.process.wait(timeout=30)
            self._forget()
            if code != 0:
                raise AssertionError(f"the motherboard ended with {code}: {''.join(self.errors)}\n{self.events}")

    def kill(self):
        """As a power cut: nobody stops the agent."""
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stdin.close()
        self._forget()

    def _forget(self):
        for reader in self.readers:
            reader.join(timeout=5)
        self.process.stdout.close()
        self.process.stderr.close()
        self.process = None

    def find(self, kind, slot=None, since=0, **values):
        return [e for e in self.events[since:] if e["event"] == kind and slot in (None, e.get("slot"))
                and all(e.get(name) == value for name, value in values.items())]

    def wait_event(self, kind, slot=None, since=0, count=1, timeout_s=30.0, **values):
        def found():
            if self.process.poll() is not None:
                raise AssertionError(f"the motherboard ended with {self.process.returncode}: {''.join(self.errors)}")
            matching = self.find(kind, slot, since, **values)
            return matching[count - 1] if len(matching) >= count else None

        try:
            return live.wait_for(kind, found, timeout_s)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\nevents: {self.events}\n{''.join(self.errors)}") from None

    def mark(self):
        """For `since`: what happens from here on."""
        return len(self.events)

    def call(self, slot, method, *args):
        since = self.mark()
        self.tell("call", slot, method, *args)
        said = self.wait_event("called", slot, since)
        if "raised" in said:
            raise AssertionError(said["raised"])
        return said.get("value")

    def set_temperature(self, slot, mdeg):
        self.tell("set", slot, "tmp105", "temperature", mdeg)

    def memory(self):
        since = self.mark()
        self.tell("memory")
        return self.wait_event("memory", since=since)


def build_driver(source, out, archs="armv7m,any"):
    done = subprocess.run([live.REPO / "deploy/driver", "build", source, "--arch", archs, "--out", out],
                          capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    return [line for line in done.stdout.splitlines() if line.endswith(".mpy")]


def provision(server, name, out, port=None):
    server.admin("device", "provision", "--name", name, "--out", out, "--root", server.root,
                 "--device-server", f"{GUEST_HOST}:{port or server.port}")
    return out


def image(path, hardware_id, *more):
    live.mpyd("eeprom", "build", "--hardware-id", hardware_id, "--size", 8192, "--out", path, *more)
    return path
