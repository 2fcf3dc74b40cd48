"""A real daemon's other side on metal: drives deploy/motherboard, the emulated Cortex-M3, over its JSON lines."""

import live

GUEST_HOST = "10.0.2.2"  # what QEMU's user network calls the machine it runs on


class MetalMotherboard(live.EventProgram):
    patience_s = 30.0

    def __init__(self, folder, identity, slots, more=()):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.arguments = ["--json", "--identity", identity, "--flash", folder / "flash.img",
                          "--firmware", live.BUILD / "motherboard-mps2.elf"]
        for slot in slots:
            self.arguments += ["--slot", slot]
        self.arguments += more

    def start(self):
        return self.launch([live.REPO / "deploy/motherboard", *self.arguments])

    def kill(self):
        """As a power cut: nobody stops the agent. The emulator's own program still clears up."""
        self.process.terminate()
        self.close()

    def mark(self):
        """For `since`: what happens from here on."""
        return len(self.events)

    def reset(self):
        """By the button. Returns, for `since`, where the new start begins: what was on its way before may come after the mark."""
        since = self.mark()
        self.tell("reset")
        started = self.wait_event("started", since=since, timeout_s=60)
        return next(at for at in range(since, len(self.events)) if self.events[at] is started)

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

    def peek(self, address):
        """A word of the motherboard's memory, read from outside."""
        since = self.mark()
        self.tell("peek", address)
        return self.wait_event("peeked", since=since)["value"]


def build_driver(source, out, archs="armv7m,any"):
    return [str(path) for path in live.build_driver(source, out, archs=archs).values()]


def provision(server, name, out, port=None):
    server.admin("device", "provision", "--name", name, "--out", out, "--root", server.root,
                 "--device-server", f"{GUEST_HOST}:{port or server.port}")
    return out


def image(path, hardware_id, *more):
    live.mpyd("eeprom", "build", "--hardware-id", hardware_id, "--size", 8192, "--out", path, *more)
    return path
