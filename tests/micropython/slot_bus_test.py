# What a driver may do on its slot's bus, and that it reaches its own channel only.

import errno
import os
import check
from mpyd import DirBus
from mpyd.channels import Channels

ROOT = check.folder()
EEPROM = 0x50


class Recorder:
    """A bus that notes its transfers and answers everything."""

    def __init__(self):
        self.calls = []

    def writeto(self, address, buffer, stop=True):
        self.calls.append(("writeto", address, bytes(buffer), stop))
        return len(buffer)

    def readfrom(self, address, nbytes, stop=True):
        self.calls.append(("readfrom", address, nbytes, stop))
        return bytes(nbytes)

    def readfrom_into(self, address, buffer, stop=True):
        self.calls.append(("readfrom_into", address, len(buffer), stop))

    def readfrom_mem_into(self, address, memaddr, buffer, *, addrsize=8):
        self.calls.append(("readfrom_mem_into", address, memaddr, len(buffer), addrsize))

    def readfrom_mem(self, address, memaddr, nbytes, *, addrsize=8):
        return bytes(nbytes)


def select(mux, channel):
    return ("writeto", mux, bytes([1 << channel]), True)


def close(mux):
    return ("writeto", mux, b"\x00", True)


def test_there_is_a_slot_per_channel_and_one_without_multiplexers():
    assert len(Channels(Recorder(), [], None)) == 1
    assert len(Channels(Recorder(), [0x70], None)) == 8
    assert len(Channels(Recorder(), [0x70, (0x71, 4)], None)) == 12
    assert len(Channels(Recorder(), [0x70], [(0x70, 2), (0x70, 5)])) == 2


def test_slots_must_be_channels_of_declared_multiplexers():
    for muxes, slots in (([0x70], [(0x71, 0)]), ([(0x70, 2)], [(0x70, 2)]), ([(0x70, 9)], None)):
        try:
            Channels(Recorder(), muxes, slots)
        except ValueError:
            continue
        raise AssertionError("accepted")


def test_the_channel_is_selected_before_each_transfer():
    recorder = Recorder()
    channels = Channels(recorder, [0x70], None)
    channels.transfer(3, EEPROM, b"", bytearray(0))
    channels.bus_of(1, EEPROM).readfrom(0x48, 2)
    channels.bus_of(1, EEPROM).readfrom(0x48, 2)
    assert recorder.calls == [
        select(0x70, 3),
        ("writeto", EEPROM, b"", True),
        select(0x70, 1),
        ("readfrom", 0x48, 2, True),
        select(0x70, 1),
        ("readfrom", 0x48, 2, True),
    ], recorder.calls


def test_no_two_multiplexers_have_a_channel_open():
    recorder = Recorder()
    channels = Channels(recorder, [0x70, 0x71], None)
    for slot in (0, 9, 9, 0):
        channels.bus_of(slot, EEPROM).readfrom(0x48, 1)
    read = ("readfrom", 0x48, 1, True)
    assert recorder.calls == [
        close(0x71), select(0x70, 0), read,
        close(0x70), select(0x71, 1), read,
        select(0x71, 1), read,
        close(0x71), select(0x70, 0), read,
    ], recorder.calls  # fmt: skip


def test_a_transfer_held_open_goes_on_without_selecting_again():
    recorder = Recorder()
    channels = Channels(recorder, [0x70], None)
    bus = channels.bus_of(0, EEPROM)
    bus.writeto(0x48, b"\x00", False)
    bus.readfrom(0x48, 2)
    bus.readfrom(0x48, 2)
    assert recorder.calls == [
        select(0x70, 0),
        ("writeto", 0x48, b"\x00", False),
        ("readfrom", 0x48, 2, True),
        select(0x70, 0),
        ("readfrom", 0x48, 2, True),
    ], recorder.calls


def test_another_slot_ends_a_transfer_held_open():
    recorder = Recorder()
    channels = Channels(recorder, [0x70], None)
    channels.bus_of(0, EEPROM).writeto(0x48, b"\x00", False)
    channels.bus_of(1, EEPROM).readfrom(0x48, 2)
    channels.bus_of(0, EEPROM).readfrom(0x48, 2)
    assert recorder.calls[2] == select(0x70, 1) and recorder.calls[4] == select(0x70, 0)


def test_the_core_reads_after_a_repeated_start():
    recorder = Recorder()
    channels = Channels(recorder, [], None)
    channels.transfer(0, EEPROM, b"\x01\x02", bytearray(5))
    channels.transfer(0, EEPROM, b"", bytearray(5))
    channels.transfer(0, EEPROM, b"12345", bytearray(1))
    assert recorder.calls == [
        ("readfrom_mem_into", EEPROM, 0x0102, 5, 16),
        ("readfrom_into", EEPROM, 5, True),
        ("writeto", EEPROM, b"12345", False),
        ("readfrom_into", EEPROM, 1, True),
    ], recorder.calls


def test_drivers_cannot_write_to_the_id_eeprom_or_a_multiplexer():
    recorder = Recorder()
    bus = Channels(recorder, [0x70], None).bus_of(0, EEPROM)
    for address in (EEPROM, 0x70):
        check.raises(errno.EPERM, bus.writeto, address, b"\x00\x00\x01")
        check.raises(errno.EPERM, bus.writevto, address, [b"\x00\x00", b"\x01"])
        check.raises(errno.EPERM, bus.writeto_mem, address, 0, b"\x01", addrsize=16)
    assert recorder.calls == []


def test_a_long_memory_address_is_no_way_to_write_to_the_id_eeprom():
    bus = Channels(Recorder(), [], None).bus_of(0, EEPROM)
    check.raises(errno.EPERM, bus.readfrom_mem, EEPROM, 0x0000AA55, 0, addrsize=32)
    check.raises(errno.EPERM, bus.readfrom_mem_into, EEPROM, 0x0000AA55, bytearray(0), addrsize=24)
    assert bus.readfrom_mem(EEPROM, 0, 4, addrsize=16) == bytes(4)


def test_after_removal_everything_raises_enodev():
    bus = Channels(Recorder(), [], None).bus_of(0, EEPROM)
    bus._remove()
    check.raises(errno.ENODEV, bus.scan)
    check.raises(errno.ENODEV, bus.readfrom, 0x48, 1)
    check.raises(errno.ENODEV, bus.readfrom_into, 0x48, bytearray(1))
    check.raises(errno.ENODEV, bus.readfrom_mem, 0x48, 0, 1)
    check.raises(errno.ENODEV, bus.readfrom_mem_into, 0x48, 0, bytearray(1))
    check.raises(errno.ENODEV, bus.writeto, 0x48, b"")
    check.raises(errno.ENODEV, bus.writeto_mem, 0x48, 0, b"")
    check.raises(errno.ENODEV, bus.writevto, 0x48, [b""])
    check.raises(errno.ENODEV, bus.writeto, EEPROM, b"")


def test_slots_do_not_see_each_others_parts():
    for slot in (0, 1):
        os.mkdir("{}/slot{}".format(ROOT, slot))
        check.write("{}/slot{}/48.regs".format(ROOT, slot), "00: 0{} 00".format(slot + 1))
    check.write(ROOT + "/slot1/49.regs", "00: 77 00")
    channels = Channels(DirBus(ROOT), [0x70], None)
    first, second = channels.bus_of(0, EEPROM), channels.bus_of(1, EEPROM)
    for _ in range(3):
        assert first.readfrom_mem(0x48, 0, 2) == b"\x01\x00"
        assert second.readfrom_mem(0x48, 0, 2) == b"\x02\x00"
    check.raises(errno.ENODEV, first.readfrom, 0x49, 1)
    assert first.scan() == [0x48]
    assert second.scan() == [0x48, 0x49]


check.run(globals())
