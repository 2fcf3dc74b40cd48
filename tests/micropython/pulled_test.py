# A board is pulled at every byte of its session on the bus: found, identified, its driver loaded from its own EEPROM,
# attached and at work. From that byte on the part is silent, or there is garbage. Whatever that does to the session, the
# neighbour goes on, a good board in the same slot loads, and nothing stays behind.

import errno
import os
import random
import time
import check
import motherboard
import mpyd
from motherboard import memory, wait_for_pages

ROOT = check.folder()
FULL = bool(os.getenv("MPYD_TEST_FULL"))
EACH, STRIDE = (0, 1) if FULL else (48, 331)  # so many bytes one by one, then every so many
IMAGE = "thermo_on_board"
SLOT = 0
_SILENT, _GARBAGE = "silent", "garbage"


class FaultyBus(mpyd.DirBus):
    """Counts the bytes, addresses too, of the transfers with the parts in one slot, and breaks off at one of them."""

    def __init__(self, path):
        super().__init__(path)
        self.how = None
        self.count = 0
        self.last = None  # the byte at which it breaks off

    def arm(self, how, last):
        self.how, self.last, self.count = how, last, 0

    def is_broken(self):
        return self.how is not None and self.count > self.last

    def _good(self, address, length):
        """How many of the transfer's bytes arrive; raises if the part does not acknowledge."""
        if address == self._mux_address or not self._mux.control & 1 << SLOT:
            return length
        self.count += 1 + length
        if not self.is_broken():
            return length
        if self.how == _SILENT:
            raise OSError(errno.ENODEV)
        return max(0, self.last - (self.count - length))

    def _write(self, address, data, stop):
        if self._good(address, len(data)) == len(data):
            super()._write(address, data, stop)

    def _read(self, address, count):
        good = self._good(address, count)
        if good == count:
            return super()._read(address, count)
        return super()._read(address, good) + bytes(random.getrandbits(8) for _ in range(count - good))


class Motherboard(motherboard.Motherboard):
    def make_bus(self):
        self.faulty = FaultyBus(self.bus)
        return self.faulty

    def poll_for(self, done, what, limit_ms=60000):
        end = time.ticks_add(time.ticks_ms(), limit_ms)
        while not done():
            assert time.ticks_diff(end, time.ticks_ms()) > 0, (what, [str(e) for e in self.events[-8:]])
            time.sleep_ms(min(self.agent.poll(), 1))
        return True

    def session(self, use=True):
        """A board is plugged and used. Where its bus breaks off, that ends somehow."""
        slot = self.agent.slots[SLOT]
        self.events.clear()
        self.plug(SLOT, IMAGE)
        self.poll_for(lambda: slot.state == "running" or self.faulty.is_broken(), "the driver")
        if slot.state == "running":
            self.use(slot.device)
        if self.faulty.how is not None:
            # Its last bytes are looks whether the board is still there: one more or less, as time goes.
            self.poll_for(self.faulty.is_broken, "a look at the board")
        if self.faulty.is_broken():
            # Long enough for what it may try again; it must not come to rest, only do no harm.
            for _ in range(30):
                time.sleep_ms(min(self.agent.poll(), 1))
            if slot.device is not None:
                self.use(slot.device)

    def use(self, device):
        try:
            value = device.temperature()
            assert value == 21500 or self.faulty.is_broken()
        except OSError as e:
            assert e.errno == errno.ENODEV and self.faulty.is_broken(), e

    def end_session(self):
        self.pull(SLOT)
        self.faulty.arm(None, 0)
        self.poll_for(lambda: self.agent.slots[SLOT].state == "empty", "an empty slot")


def count_session(m):
    """The bytes of a session, and of its first part, up to the identity."""
    identified = []
    m.agent.on("identified", lambda event: identified.append(m.faulty.count))
    m.faulty.arm(None, 0)
    m.session()
    total = m.faulty.count
    m.end_session()
    return total, identified[0]


def try_all(how):
    os.mkdir(ROOT + "/" + how)
    m = Motherboard(ROOT + "/" + how + "/bus")
    m.agent._driver_raised = lambda slot, where, exception: None  # prints thousands of tracebacks
    neighbour = m.load(2, "thermo_any")
    count_session(m)
    total, first = count_session(m)
    m.agent._listeners.clear()
    m.agent.on("*", m.events.append)
    wait_for_pages(0)
    before, tried = memory(), 0
    at = 0
    while at < total:
        random.seed(at)
        m.faulty.arm(how, at)
        m.session()
        assert m.faulty.is_broken(), (at, total)
        m.end_session()
        assert neighbour.temperature() == 21500
        m.session()  # a good board
        assert m.agent.slots[SLOT].device.temperature() == 21500
        assert m.agent.slots[2].device is neighbour
        m.end_session()
        tried += 1
        at += 1 if at < EACH or first <= at < first + EACH else STRIDE if at >= first else max(1, STRIDE // 16)
    wait_for_pages(0)
    assert memory() <= before + 256, (before, memory())
    print("         a session of {} bytes, {} from {} of them on".format(total, how, tried))
    m.agent.stop()


def test_a26_a_board_pulled_at_any_byte():
    try_all(_SILENT)


def test_a26_garbage_from_any_byte_on():
    try_all(_GARBAGE)


check.run(globals())
