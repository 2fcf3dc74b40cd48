# Linux's I2C, through the kernel's interface: /dev/i2c-1 is answered by the bus simulator (tests/support/i2c).

import errno
import os
import sys
import time
import check
import motherboard
import mpyd
from motherboard import GIVEN

ROOT = check.folder()
BUS = "/dev/i2c-1"
# registers: temperature 21.5 degrees, as thermo reads it, and what its attach() writes into the second.
SENSOR = "registers 0x48 15 80 00 00 00 00 00 00"


def describe(*lines):
    """Plugs and pulls: the simulated bus is built anew. In one go, as it may be read at any moment."""
    time.sleep_ms(20)  # the shim looks at the time of the last change, whose steps are some milliseconds
    check.write(ROOT + "/bus.new", "\n".join(lines) + "\n")
    os.rename(ROOT + "/bus.new", ROOT + "/../bus.txt")


def image(name):
    path = "run/" + name + ".eep"
    data = check.read("{}/{}.eep".format(GIVEN, name))
    check.write(ROOT + "/../" + path, data + b"\xff" * (8192 - len(data)))
    return path


class Motherboard(motherboard.Motherboard):
    def make_bus(self):
        return mpyd.DevBus(BUS)


def test_parts_are_read_and_written():
    describe("part 24c64 0x50 " + image("thermo_x64"), SENSOR)
    bus = mpyd.DevBus(BUS)
    assert bus.scan() == [0x48, 0x50], bus.scan()
    assert bus.readfrom_mem(0x50, 0, 4, addrsize=16) == b"R-Pi"
    assert bus.readfrom(0x50, 1) == b"\x02"  # the counter went on
    buffer = bytearray(3)
    bus.readfrom_mem_into(0x50, 1, buffer, addrsize=16)
    assert buffer == b"-Pi"
    bus.readfrom_into(0x48, buffer)
    bus.writeto_mem(0x48, 2, b"\x77\x88")
    assert bus.readfrom_mem(0x48, 1, 3) == b"\x80\x77\x88"
    assert bus.writevto(0x48, [b"\x04", b"\x99"]) == 2
    assert bus.readfrom_mem(0x48, 4, 1) == b"\x99"


def test_what_is_held_open_goes_out_with_a_repeated_start():
    describe("part 24c64 0x50 " + image("thermo_x64"), SENSOR)
    bus = mpyd.DevBus(BUS)
    # With a STOP in between, the data byte would be written.
    bus.writeto(0x50, b"\x00\x01", False)
    assert bus.readfrom(0x50, 3) == b"-Pi"


def test_errors_are_told():
    describe(SENSOR)
    bus = mpyd.DevBus(BUS)
    check.raises(errno.ENODEV, bus.readfrom, 0x50, 1)
    check.raises(errno.ENODEV, bus.writeto, 0x50, b"\x00")
    check.raises(errno.ENODEV, bus.writeto, 0x50, b"")
    check.raises(errno.EINVAL, bus.readfrom, 0x80, 1)
    check.raises(errno.ENOENT, mpyd.DevBus, "/dev/i2c-77")
    # After a write that waited for its end and was not acknowledged.
    bus.writeto(0x50, b"\x00", False)
    check.raises(errno.ENODEV, bus.readfrom, 0x50, 1)
    assert bus.readfrom_mem(0x48, 0, 2) == b"\x15\x80"


def test_a_board_is_loaded_from_its_own_eeprom_and_pulled():
    describe("mux 0x70")
    m = Motherboard(ROOT + "/load")
    sensor = SENSOR + " channel=1"
    describe("mux 0x70", "part 24c64 0x50 " + image("thermo_on_board") + " channel=1", sensor)
    m.wait("loaded", 1)
    device = m.agent.slots[1].device
    assert device.temperature() == 21375, device.temperature()
    m.agent.slots[1].board.log("still there")
    describe("mux 0x70", sensor)
    m.wait("removed", 1)
    check.raises(errno.ENODEV, lambda: device.temperature)
    m.agent.stop()


def test_the_runner_takes_such_a_bus():
    describe("part 24c64 0x50 " + image("thermo_on_board"), SENSOR)
    out = ROOT + "/out"
    command = "{} -m mpyd --bus {} --identity {}/identity --cache {}/cache --read thermo=temperature --for 5"
    code = os.system(command.format(sys.executable, BUS, GIVEN, ROOT) + " </dev/null >" + out + " 2>&1")
    lines = check.read(out).decode().split("\n")
    assert code == 0 and "slot 0  thermo.temperature() = 21375" in lines, lines


check.run(globals())
