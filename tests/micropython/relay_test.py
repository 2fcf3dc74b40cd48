# Both twins of the driver `relay` do the same, with any object that has the attributes of a board: without the
# agent. Argument 2: the folder that run_with_server.py prepared.

import errno
import os
import sys
import check
from mpyd import DirBus

ROOT = check.folder()
BUILT = sys.argv[2] + "/relay"
# A MAX7310 after power-on: all pins are inputs.
POWER_ON = "00: 00\n01: 00\n02: f0\n03: ff\n04: 01\n"


class Board:
    def __init__(self, bus):
        self.bus = bus


class Recorder:
    """A bus that remembers what was written, in order."""

    def __init__(self, bus):
        self._bus = bus
        self.written = []

    def writeto_mem(self, address, register, data):
        self.written.append((address, register, bytes(data)))
        self._bus.writeto_mem(address, register, data)

    def readfrom_mem(self, address, register, count):
        return self._bus.readfrom_mem(address, register, count)


class LyingBus:
    def writeto_mem(self, address, register, data):
        pass

    def readfrom_mem(self, address, register, count):
        return b"\x01\x02"


def variants():
    for arch in ("any", "x64"):
        sys.path.insert(0, BUILT + "/" + arch)
        module = __import__("relay")
        sys.path.pop(0)
        del sys.modules["relay"]
        yield arch, module


def expander(name, registers=POWER_ON):
    path = ROOT + "/" + name
    os.mkdir(path)
    check.write(path + "/18.regs", registers)
    return path


def registers(path):
    return check.read(path + "/18.regs").decode()


def raises_value_error(f, *args):
    try:
        f(*args)
    except ValueError:
        return
    raise AssertionError("no ValueError for {}".format(args))


def test_both_switch_all_off_before_the_pins_become_outputs():
    for arch, module in variants():
        path = expander("attach_" + arch, POWER_ON.replace("01: 00", "01: a5"))
        bus = Recorder(DirBus(path))
        module.attach(Board(bus))
        assert bus.written == [(0x18, 1, b"\0"), (0x18, 2, b"\0"), (0x18, 3, b"\0")], (arch, bus.written)
        assert registers(path) == "00: 00\n01: 00\n02: 00\n03: 00\n04: 01\n"


def test_both_switch_one_relay_and_leave_the_others():
    for arch, module in variants():
        path = expander("set_" + arch)
        relay = module.attach(Board(DirBus(path)))
        assert relay.set(0, True) is None
        relay.set(7, 1)
        relay.set(3, [0])
        assert registers(path).split("\n")[1] == "01: 89", (arch, registers(path))
        relay.set(7, False)
        relay.set(3, None)
        assert relay.state() == 0x01
        assert [relay.get(n) for n in range(8)] == [True] + 7 * [False]


def test_both_read_and_write_all_relays_at_once():
    for arch, module in variants():
        path = expander("state_" + arch)
        relay = module.attach(Board(DirBus(path)))
        assert relay.state() == 0
        assert relay.state(0xC3) == 0xC3
        assert [n for n in range(8) if relay.get(n)] == [0, 1, 6, 7]
        # Somebody else switched one: the part's word counts.
        check.write(path + "/18.regs", POWER_ON.replace("01: 00", "01: 10"))
        assert relay.get(4) is True and relay.state() == 0x10


def test_both_refuse_relays_and_states_that_are_not_there():
    for arch, module in variants():
        path = expander("range_" + arch)
        relay = module.attach(Board(DirBus(path)))
        relay.set(5, True)
        for number in (-1, 8, 32, 1 << 20):
            raises_value_error(relay.set, number, True)
            raises_value_error(relay.get, number)
        for mask in (-1, 256):
            raises_value_error(relay.state, mask)
        assert relay.state() == 0x20, arch


def test_both_switch_all_off_at_the_end_and_hold_them_off():
    for arch, module in variants():
        path = expander("detach_" + arch)
        relay = module.attach(Board(DirBus(path)))
        relay.state(0xFF)
        module.detach(relay)
        assert registers(path) == "00: 00\n01: 00\n02: 00\n03: 00\n04: 01\n", arch


def test_both_raise_enodev_when_the_expander_is_gone():
    for arch, module in variants():
        path = expander("gone_" + arch)
        relay = module.attach(Board(DirBus(path)))
        os.remove(path + "/18.regs")
        check.raises(errno.ENODEV, relay.set, 0, True)
        check.raises(errno.ENODEV, relay.state)
        check.raises(errno.ENODEV, module.detach, relay)


def test_the_native_twin_does_not_read_past_what_a_bus_returns():
    for arch, module in variants():
        if arch != "any":
            raises_value_error(module.attach(Board(LyingBus())).get, 0)


def test_every_board_has_its_own_object():
    for arch, module in variants():
        first = module.attach(Board(DirBus(expander("first_" + arch))))
        second = module.attach(Board(DirBus(expander("second_" + arch))))
        first.set(1, True)
        second.set(2, True)
        assert (first.state(), second.state()) == (2, 4)


check.run(globals())
