# An agent on a bus that is a folder, against the server that run_with_server.py started, and what it takes to see that
# its memory comes back. Argument 2: the folder with `identity` and the EEPROM images.

import gc
import os
import sys
import time
import check
import mpyd

GIVEN = sys.argv[2]
SENSOR = "00: 15 80\n01: 00\n02: 4b 00\n03: 50 00\n"


class Motherboard:
    """An agent with its bus, its cache and its memory of events."""

    def __init__(self, folder, **options):
        self.bus = folder
        os.mkdir(self.bus)
        self.options = dict(
            identity=GIVEN + "/identity", cache=self.bus + "/cache", muxes=[(0x70, 3)], probe_interval_ms=1
        )
        self.options.update(options)
        self.events = []
        self.past = []
        self.start()

    def start(self):
        self.agent = mpyd.Agent(self.make_bus(), **self.options)
        self.agent.on("*", self.events.append)

    def make_bus(self):
        return mpyd.DirBus(self.bus)

    def plug(self, slot, image, config=None):
        path = "{}/slot{}".format(self.bus, slot)
        os.mkdir(path)
        check.write(path + "/48.regs", SENSOR)
        check.write(path + "/50.new", check.read(GIVEN + "/" + image + ".eep"))
        os.rename(path + "/50.new", path + "/50.eep")

    def pull(self, slot):
        check.remove_tree("{}/slot{}".format(self.bus, slot))

    def registers(self, slot):
        return check.read("{}/slot{}/48.regs".format(self.bus, slot)).decode()

    def wait(self, kind, slot=None):
        """Polls until this event happens; forgets all events up to it and returns it."""
        end = time.ticks_add(time.ticks_ms(), 10000)
        while time.ticks_diff(end, time.ticks_ms()) > 0:
            while self.events:
                event = self.events.pop(0)
                self.past.append(event)
                if event.kind == kind and slot in (None, event.slot):
                    self.past.clear()
                    return event
            time.sleep_ms(min(self.agent.poll(), 1))
        raise AssertionError("waited in vain for {}; {}".format(kind, [str(e) for e in self.past]))

    def load(self, slot, image):
        self.plug(slot, image)
        self.wait("loaded", slot)
        return self.agent.slots[slot].device

    def unload(self, slot):
        self.pull(slot)
        self.wait("removed", slot)


def pages_of_code():
    """How much memory this process has mapped for native code: neighbours are one line there."""
    total = 0
    with open("/proc/self/maps") as f:
        for line in f:
            if " rwxp " in line:
                start, end = line.split(" ")[0].split("-")
                total += (int(end, 16) - int(start, 16)) // 4096
    return total


def scrub(depth=20):
    """Overwrites what earlier calls left on the stack, which the collector cannot tell from pointers."""
    a = b = c = d = e = f = g = h = i = j = k = l = depth
    return a + scrub(depth - 1) if depth else b + c + d + e + f + g + h + i + j + k + l


def memory():
    scrub()
    # Twice: what a finaliser or our own bookkeeping let go goes with the second.
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def wait_for_pages(count):
    """A stale word on the stack may hold code up; it cannot for long."""
    end = time.ticks_add(time.ticks_ms(), 5000)
    while pages_of_code() > count and time.ticks_diff(end, time.ticks_ms()) > 0:
        memory()
    assert pages_of_code() == count, (pages_of_code(), count)
