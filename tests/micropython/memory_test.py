# Every single allocation of a load fails in turn, alone or with the many that follow; in build/micropython-unix-test.
# Whatever fails, the board is running or refused for memory in so many words, nothing stays behind, the neighbour goes
# on, and the next load works.

import os
import sys
import time
import check
import motherboard
import mpyd_test
from hardware_bus import HardwareBus
from motherboard import scrub
from mpyd.store import FileStore

ROOT = check.folder()
FULL = bool(os.getenv("MPYD_TEST_FULL"))
STRIDE = 1 if FULL else 37  # through a whole sequence
ONCE, LONG = 1, 200  # how many in a row fail
IMAGES = ("thermo_x64", "thermo_any", "python_native")


class ArmedStore(FileStore):
    """Starts the failure with the last read of pass 1: what follows is the end of pass 1, pass 2 and attach()."""

    arm = None  # arguments of fail_after()

    def read(self, name, offset, buffer):
        count = super().read(name, offset, buffer)
        if self.arm and name.startswith("p-") and offset + count == self.size(name):
            arm, self.arm = self.arm, None
            mpyd_test.fail_after(*arm)
        return count


class Motherboard(motherboard.Motherboard):
    """A neighbour runs in slot 2 all the time; slot 0 is for what is tried."""

    def __init__(self, name):
        os.mkdir(ROOT + "/" + name)
        self.armed = ArmedStore(ROOT + "/" + name + "/store")
        # Polling allocates, too: at one address, and not in every millisecond, it is a small part of what is counted.
        super().__init__(
            ROOT + "/" + name + "/bus", store=self.armed, retry_min_ms=1, retry_max_ms=1, eeprom_address=0x50,
            probe_interval_ms=4,
        )  # fmt: skip
        self.neighbour = self.load(2, "thermo_x64")
        self.agent._listeners.clear()
        self.agent._driver_raised = lambda slot, where, exception: None  # prints thousands of tracebacks

    def make_bus(self):
        return HardwareBus(self.bus)

    def poll_until(self, settled):
        """Polls until settled(slot 0), without failing what the test itself needs."""
        slot = self.agent.slots[0]
        end = time.ticks_add(time.ticks_ms(), 20000)
        while True:
            mpyd_test.hold(False)
            wait = self.agent.poll()
            mpyd_test.hold(True)
            if settled(slot):
                return
            assert time.ticks_diff(end, time.ticks_ms()) > 0, (slot.state, str(slot.error))
            time.sleep_ms(min(wait, 1))

    def settle(self):
        """The state of slot 0 when it runs or is refused for memory."""
        self.poll_until(lambda s: s.state == "running" or s.error is not None and s.error.name == "memory")
        return self.agent.slots[0].state

    def unload(self):
        self.pull(0)
        self.poll_until(lambda s: s.state == "empty")

    def load_and_unload(self, image):
        slot = self.agent.slots[0]
        self.plug(0, image)
        assert self.settle() == "running" and works(image, slot.device), str(slot.error)
        self.unload()

    def usage(self):
        scrub()
        return mpyd_test.used(), mpyd_test.mapped()


def check_refusal(slot):
    text = str(slot.error)
    assert slot.state == "refused" and slot.device is None and slot.board is None
    assert "the largest free block is " in text and " KiB: free memory" in text, text
    # Where the package's head had not been read yet, nobody knows what the driver needs.
    return "the driver needs at least " in text


def works(image, device):
    return device.next() == 1 if image == "python_native" else device.temperature() == 21500


class Trial:
    """start(m, n, times) lets the n-th allocation and times - 1 after it fail."""

    def __init__(self, m, image, start, times):
        self.m, self.image, self.start, self.times = m, image, start, times
        self.refused = 0
        self.told = 0  # refusals that told what the driver needs

    def attempt(self, n):
        """False if there was no n-th allocation."""
        m, slot = self.m, self.m.agent.slots[0]
        m.plug(0, self.image)
        self.start(m, n, self.times)
        state = m.settle()
        reached = mpyd_test.allocations() >= n
        mpyd_test.fail_after(0, 0)
        if state == "refused":
            self.refused += 1
            self.told += check_refusal(slot)
        else:
            assert works(self.image, slot.device), (self.image, n)
        m.unload()
        assert m.agent.slots[2].state == "running" and m.agent.slots[2].device is m.neighbour
        assert m.neighbour.temperature() == 21500
        m.load_and_unload(self.image)
        return reached

    def check_leak(self, n, before):
        """What is left after the n-th failed, which used `before` until then. Tables grow once; a leak, every time."""
        after = self.m.usage()
        if after[1] == before[1] and after[0] <= before[0] + 32:
            return before
        for _ in range(8):
            self.attempt(n)
        again = self.m.usage()
        assert again[1] <= before[1] and again[0] <= after[0] + 64, (self.image, n, before, after, again)
        return again

    def run(self, stride):
        for _ in range(3):
            self.attempt(1)
        before = self.m.usage()
        n = 1
        while self.attempt(n):
            before = self.check_leak(n, before)
            n += stride
        how = "once" if self.times == ONCE else "for long"
        print("         {:14}every {}. of {} allocations failed {}: {} refused".format(
            self.image, stride, n - 1, how, self.refused))  # fmt: skip
        assert self.refused > 1


def try_all(name, start, stride):
    m = Motherboard(name)
    trials = [Trial(m, image, start, times) for image in IMAGES for times in (ONCE, LONG)]
    for trial in trials:
        trial.run(stride if trial.times == ONCE or FULL else max(stride, 7))
    m.agent.stop()
    return sum(t.refused for t in trials), sum(t.told for t in trials)


def test_every_allocation_of_a_load_may_fail():
    def start(m, n, times):
        m.armed.arm = n, times

    refused, told = try_all("load", start, 1 if FULL else 2)
    assert told > refused * 3 // 4, (refused, told)


def test_allocations_anywhere_between_plug_and_running_may_fail():
    def start(m, n, times):
        mpyd_test.hold(True)
        mpyd_test.fail_after(n, times)

    refused, told = try_all("sequence", start, STRIDE)
    assert told, "nobody was told what the driver needs"


check.run(globals())
