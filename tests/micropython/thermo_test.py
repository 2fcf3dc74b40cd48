# Both twins of the driver `thermo` say the same, with any object that has the attributes of a board: without the
# agent. Argument 2: the folder that run_with_server.py prepared.

import errno
import os
import sys
import check
from mpyd import DirBus

ROOT = check.folder()
BUILT = sys.argv[2] + "/thermo"


class Board:
    def __init__(self, bus):
        self.bus = bus


def variants():
    for arch in ("any", "x64"):
        sys.path.insert(0, BUILT + "/" + arch)
        module = __import__("thermo")
        sys.path.pop(0)
        del sys.modules["thermo"]
        yield arch, module


def sensor(name, temperature="19 00"):
    path = ROOT + "/" + name
    os.mkdir(path)
    check.write(path + "/48.regs", "00: {}\n01: 00\n02: 4b 00\n03: 50 00\n".format(temperature))
    return path


def test_both_read_milli_degrees_of_either_sign():
    known = (
        ("00 00", 0),
        ("00 10", 62),
        ("19 00", 25000),
        ("7f f0", 127937),
        ("ff f0", -63),
        ("e7 00", -25000),
        ("80 00", -128000),
    )
    for arch, module in variants():
        for i, (register, mdeg) in enumerate(known):
            path = sensor("read_{}_{}".format(arch, i), register)
            thermo = module.attach(Board(DirBus(path)))
            assert thermo.temperature() == mdeg, (arch, register, thermo.temperature())


def test_both_write_limits_to_the_nearest_step():
    for arch, module in variants():
        path = sensor("limits_" + arch)
        thermo = module.attach(Board(DirBus(path)))
        assert thermo.limits() == (75000, 80000)
        assert thermo.limits(low=-10000) == (-10000, 80000)
        assert thermo.limits(21530, 21540) == (21500, 21562)
        assert thermo.limits(high=10**6, low=-(10**6)) == (-128000, 127937)
        assert check.read(path + "/48.regs").decode() == "00: 19 00\n01: 60\n02: 80 00\n03: 7f f0\n"


def test_both_configure_12_bits_and_shut_down_at_the_end():
    for arch, module in variants():
        path = sensor("config_" + arch)
        thermo = module.attach(Board(DirBus(path)))
        assert thermo.config() == 0x60
        module.detach(thermo)
        assert thermo.config() == 0x61


def test_both_raise_enodev_when_the_sensor_is_gone():
    for arch, module in variants():
        path = sensor("gone_" + arch)
        thermo = module.attach(Board(DirBus(path)))
        os.remove(path + "/48.regs")
        check.raises(errno.ENODEV, thermo.temperature)
        check.raises(errno.ENODEV, module.detach, thermo)


def test_every_board_has_its_own_object():
    for arch, module in variants():
        cold = module.attach(Board(DirBus(sensor("cold_" + arch, "01 00"))))
        warm = module.attach(Board(DirBus(sensor("warm_" + arch, "02 00"))))
        assert (cold.temperature(), warm.temperature()) == (1000, 2000)


check.run(globals())
