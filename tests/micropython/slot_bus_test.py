# What a driver may do on its slot's bus, and that it reaches its own channel only.

import _thread
import errno
import micropython
import os
import time
import check
from mpyd import DirBus, Place, clock_out
from mpyd.channels import Channels

ROOT = check.folder()
EEPROM = 0x50
EBUSY = 16


class Core:
    """What a driver's bus asks of the agent: the part in its slot."""

    def __init__(self, first=EEPROM, last=EEPROM, address_bytes=2):
        self.part = first, last, address_bytes
        self.was_read = []

    def slot(self, index):
        return ("running", 0, "hat:Nobody:0001", 0, None, "hat", 0) + self.part

    def eeprom_was_read(self, index):
        self.was_read.append(index)


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

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(vector), stop)

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


def rejected(muxes, slots, **options):
    try:
        Channels(Recorder(), muxes, slots, **options)
    except ValueError:
        return
    raise AssertionError("accepted")


def test_slots_must_be_channels_of_declared_multiplexers():
    rejected([0x70], [(0x71, 0)])
    rejected([(0x70, 2)], [(0x70, 2)])
    rejected([(0x70, 2)], [Place(0x70, 2)])
    rejected([(0x70, 9)], None)


def test_a_place_says_what_is_known_of_a_slot():
    slots = [(0x70, 1), Place(0x70, 2, address=0x52, width=16, current_ma=500), Place(0x70, 3, (0x50, 0x53), width=8)]
    assert Channels(Recorder(), [0x70], slots).for_core() == [
        (0x50, 0x57, 0, 0),
        (0x52, 0x52, 2, 500),
        (0x50, 0x53, 1, 0),
    ]
    assert Channels(Recorder(), address=0x51).for_core() == [(0x51, 0x51, 0, 0)]
    slots = [(0x70, 0), Place(address=0x50)]
    assert Channels(Recorder(), [0x70], slots, (0x54, 0x55)).for_core()[0] == (0x54, 0x55, 0, 0)


def test_boards_stacked_on_one_bus_have_an_address_each():
    capes = [Place(address=address) for address in range(0x54, 0x58)]
    assert len(Channels(Recorder(), slots=capes)) == 4
    rejected([], capes + [Place(address=0x57)])
    rejected([], [None, None])
    # What sits on the bus itself answers on every channel.
    rejected([0x70], [None, (0x70, 0)])
    rejected([0x70], [Place(address=0x57), (0x70, 0)])
    assert len(Channels(Recorder(), [0x70], [Place(address=0x57), (0x70, 0)], 0x50)) == 2


def test_places_that_make_no_sense_are_refused():
    rejected([], [Place(address=0x80)])
    rejected([], [Place(address=(0x52, 0x50))])
    rejected([], [Place(address=(0x48, 0x50))])
    try:
        Place(width=2)
        raise AssertionError("accepted")
    except ValueError:
        pass


def test_the_channel_is_selected_before_each_transfer():
    recorder = Recorder()
    channels = Channels(recorder, [0x70], None)
    channels.transfer(3, EEPROM, b"", bytearray(0))
    channels.bus_of(1, Core()).readfrom(0x48, 2)
    channels.bus_of(1, Core()).readfrom(0x48, 2)
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
        channels.bus_of(slot, Core()).readfrom(0x48, 1)
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
    bus = channels.bus_of(0, Core())
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
    channels.bus_of(0, Core()).writeto(0x48, b"\x00", False)
    channels.bus_of(1, Core()).readfrom(0x48, 2)
    channels.bus_of(0, Core()).readfrom(0x48, 2)
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
    bus = Channels(recorder, [0x70], None).bus_of(0, Core())
    for address in (EEPROM, 0x70):
        check.raises(errno.EPERM, bus.writeto, address, b"\x00\x00\x01")
        check.raises(errno.EPERM, bus.writevto, address, [b"\x00\x00", b"\x01"])
        check.raises(errno.EPERM, bus.writeto_mem, address, 0, b"\x01", addrsize=16)
    assert recorder.calls == []


def test_every_address_at_which_an_id_eeprom_answers_is_protected():
    recorder = Recorder()
    slots = [Place(0x70, 0), (0x70, 1), Place(address=(0x5C, 0x5D))]
    bus = Channels(recorder, [0x70], slots).bus_of(0, Core(0x50, 0x53, 1))
    # Blocks and mirrors of its own, and that of a board on the bus itself, which every channel reaches.
    for address in (0x50, 0x51, 0x53, 0x5C, 0x5D):
        check.raises(errno.EPERM, bus.writeto, address, b"\x00")
        check.raises(errno.EPERM, bus.writeto_mem, address, 0, b"\x01")
        check.raises(errno.EPERM, bus.writevto, address, [b"\x00"])
    assert recorder.calls == []
    # The driver's own memory on its board.
    bus.writeto(0x54, b"\x00")


def test_reserved_addresses_are_refused():
    recorder = Recorder()
    bus = Channels(recorder).bus_of(0, Core())
    # General call; high-speed and 10-bit prefixes; what a port would cut down to 0x50.
    for address in (0x00, 0x04, 0x78, 0x7B, 0x50 + 0x80, -0x30):
        check.raises(errno.EPERM, bus.writeto, address, b"\x06")
        check.raises(errno.EPERM, bus.writeto_mem, address, 0, b"\x01")
        check.raises(errno.EPERM, bus.writevto, address, [b"\x00"])
        check.raises(errno.EPERM, bus.readfrom_mem, address, 0, 1)
        check.raises(errno.EPERM, bus.readfrom, address, 1)
    assert recorder.calls == []


def test_a_long_memory_address_is_no_way_to_write_to_the_id_eeprom():
    recorder = Recorder()
    bus = Channels(recorder, [0x70]).bus_of(0, Core())
    check.raises(errno.EPERM, bus.readfrom_mem, EEPROM, 0x0000AA55, 0, addrsize=32)
    check.raises(errno.EPERM, bus.readfrom_mem_into, EEPROM, 0x0000AA55, bytearray(0), addrsize=24)
    check.raises(errno.EPERM, bus.readfrom_mem, 0x70, 0xFF, 0)
    assert bus.readfrom_mem(EEPROM, 0, 4, addrsize=16) == bytes(4)
    # A second address byte is data to a part with one, and to a neighbour's of which nobody knows.
    bus = Channels(recorder, [], [None, Place(address=0x58)], EEPROM).bus_of(0, Core(address_bytes=1))
    for address in (EEPROM, 0x58):
        check.raises(errno.EPERM, bus.readfrom_mem, address, 0x0055, 1, addrsize=16)
        assert bus.readfrom_mem(address, 0, 4) == bytes(4)


def test_the_agent_is_told_when_a_driver_reads_an_id_eeprom():
    core = Core(0x50, 0x51)
    bus = Channels(Recorder(), [], [Place(address=(0x50, 0x51)), Place(address=0x57)]).bus_of(0, core)
    bus.readfrom(0x51, 1)
    bus.readfrom_into(0x50, bytearray(1))
    bus.readfrom_mem(0x50, 0, 1)
    bus.readfrom_mem_into(0x57, 0, bytearray(1))
    assert core.was_read == [0, 0, 0, 1], core.was_read
    bus.readfrom(0x48, 1)
    assert len(core.was_read) == 4


def test_after_removal_everything_raises_enodev():
    recorder = Recorder()
    bus = Channels(recorder).bus_of(0, Core())
    calls = [
        (bus.scan,),
        (bus.readfrom, 0x48, 1),
        (bus.readfrom_into, 0x48, bytearray(1)),
        (bus.readfrom_mem, 0x48, 0, 1),
        (bus.readfrom_mem_into, 0x48, 0, bytearray(1)),
        (bus.writeto, 0x48, b""),
        (bus.writeto_mem, 0x48, 0, b""),
        (bus.writevto, 0x48, [b""]),
        (bus.writeto, EEPROM, b""),
        (bus.writeto, 0x00, b""),
    ]
    bus._remove()
    for call in calls:  # bound methods from before
        check.raises(errno.ENODEV, *call)
    assert recorder.calls == []


# --- one transfer at a time ---


def test_the_agent_waits_while_a_driver_holds_the_bus_but_not_for_ever():
    recorder = Recorder()
    channels = Channels(recorder, [0x70], None)
    bus = channels.bus_of(0, Core())
    assert not channels.gives_way()
    for name, argument in (("writeto", b"\x00"), ("readfrom", 2), ("readfrom_into", bytearray(2)), ("writevto", [b"\x00"])):
        getattr(bus, name)(0x48, argument, False)
        assert channels.gives_way(), name
        del recorder.calls[:]
        bus.readfrom(0x48, 2)
        assert recorder.calls == [("readfrom", 0x48, 2, True)]  # its channel was still selected
        assert not channels.gives_way()
    bus.writeto(0x48, b"\x00", False)
    polls = 0
    while channels.gives_way():
        polls += 1
    assert 0 < polls < 100, polls


def test_another_thread_waits_while_a_driver_holds_the_bus():
    recorder = Recorder()
    channels = Channels(recorder, [0x70], None)
    bus, other = channels.bus_of(0, Core()), channels.bus_of(1, Core())
    done = []

    def thread():
        other.readfrom(0x49, 1)
        done.append(True)

    bus.writeto(0x48, b"\x00", False)
    _thread.start_new_thread(thread, ())
    time.sleep_ms(5)
    bus.readfrom(0x48, 2)
    while not done:
        time.sleep_ms(1)
    assert [c[:2] for c in recorder.calls] == [
        ("writeto", 0x70),
        ("writeto", 0x48),
        ("readfrom", 0x48),
        ("writeto", 0x70),
        ("readfrom", 0x49),
    ], recorder.calls


def test_what_interrupts_a_transfer_cannot_use_the_bus():
    class Interrupted(Recorder):
        inside = None

        def readfrom(self, address, nbytes, stop=True):
            if self.inside:
                micropython.schedule(self.inside, None)
                for _ in range(10):  # somewhere here
                    pass
            return super().readfrom(address, nbytes, stop)

    recorder = Interrupted()
    channels = Channels(recorder, [0x70], None)
    first, second = channels.bus_of(0, Core()), channels.bus_of(1, Core())
    seen = []

    def timer(_):
        recorder.inside = None
        seen.append(channels.gives_way())  # what agent.poll() asks first
        check.raises(EBUSY, second.readfrom, 0x48, 1)
        seen.append("refused")

    recorder.inside = timer
    first.readfrom(0x48, 1)
    assert seen == [True, "refused"], seen
    assert recorder.calls == [select(0x70, 0), ("readfrom", 0x48, 1, True)], recorder.calls
    second.readfrom(0x48, 1)


def test_a_failed_transfer_leaves_the_bus_free():
    class Dead(Recorder):
        def readfrom(self, *args):
            raise OSError(errno.EIO)

    channels = Channels(Dead(), [0x70], None)
    for _ in range(3):
        check.raises(errno.EIO, channels.bus_of(0, Core()).readfrom, 0x48, 1, False)
        assert not channels.gives_way()


def test_boards_on_the_bus_itself_are_reached_with_all_channels_closed():
    recorder = Recorder()
    channels = Channels(recorder, [0x70, 0x71], [Place(address=0x57), (0x70, 1)], EEPROM)
    outside, inside = channels.bus_of(0, Core(0x57, 0x57)), channels.bus_of(1, Core())
    read = ("readfrom", 0x48, 1, True)
    for bus in (outside, outside, inside, outside):
        bus.readfrom(0x48, 1)
    assert recorder.calls == [
        close(0x70), close(0x71), read,
        read,
        select(0x70, 1), read,
        close(0x70), read,
    ], recorder.calls  # fmt: skip


# --- presence lines and a bus that hangs ---


def test_a_presence_line_is_asked_without_touching_the_bus():
    line = [True]
    recorder = Recorder()
    channels = Channels(recorder, [], [Place(address=0x50, presence=lambda: line[0]), Place(address=0x51)])
    assert channels.presence(0) is True
    line[0] = 0
    assert channels.presence(0) is False
    check.raises(errno.EOPNOTSUPP, channels.presence, 1)
    assert recorder.calls == []
    assert not hasattr(Channels(recorder), "presence")


class Lines:
    """Two open-drain lines, and a part that pulls SDA low until it has seen so many clocks. Notes what a part sees."""

    def __init__(self, clocks, scl_hangs=False):
        self.clocks = clocks
        self.scl_hangs = scl_hangs
        self.out = [1, 1]
        self.seen = []
        self.before = self.levels()

    def levels(self):
        return (0 if self.scl_hangs else self.out[0], self.out[1] if self.clocks == 0 else 0)

    def set(self, line, value):
        self.out[line] = value
        scl, sda = self.levels()
        if self.before[0] and not scl and self.clocks:
            self.clocks -= 1
            scl, sda = self.levels()
        if not self.before[0] and scl:
            self.seen.append("clock")
        if self.before[0] and scl and self.before[1] != sda:
            self.seen.append("STOP" if sda else "START")
        self.before = scl, sda

    def pin(self, line):
        def call(*value):
            if not value:
                return self.levels()[line]
            self.set(line, value[0])

        return call


def test_a_hanging_data_line_is_clocked_free_and_no_stop_comes_before_a_start():
    for clocks in range(10):
        lines = Lines(clocks)
        clock_out(lines.pin(0), lines.pin(1))
        assert lines.seen == ["clock"] * clocks + ["START", "STOP"], (clocks, lines.seen)
    lines = Lines(10)
    check.raises(errno.EIO, clock_out, lines.pin(0), lines.pin(1))
    assert lines.seen == ["clock"] * 9
    lines = Lines(0, scl_hangs=True)
    check.raises(errno.EIO, clock_out, lines.pin(0), lines.pin(1))
    assert lines.seen == []


def test_the_core_can_free_the_bus():
    lines = Lines(3)
    recorder = Recorder()
    channels = Channels(recorder, [0x70], None, recover=(lines.pin(0), lines.pin(1)))
    check.raises(EBUSY, channels.transfer, 0, EEPROM, b"", bytearray(1))
    assert recorder.calls == []  # every part would seem to answer
    channels.recover(0)
    channels.transfer(0, EEPROM, b"", bytearray(1))
    # Which channel is open is not known any more.
    assert recorder.calls[0] == select(0x70, 0)
    called = []
    Channels(recorder, recover=lambda: called.append(True)).recover(0)
    assert called == [True]
    check.raises(errno.EOPNOTSUPP, Channels(recorder).recover, 0)


def test_slots_do_not_see_each_others_parts():
    for slot in (0, 1):
        os.mkdir("{}/slot{}".format(ROOT, slot))
        check.write("{}/slot{}/48.regs".format(ROOT, slot), "00: 0{} 00".format(slot + 1))
    check.write(ROOT + "/slot1/49.regs", "00: 77 00")
    channels = Channels(DirBus(ROOT), [0x70], None)
    first, second = channels.bus_of(0, Core()), channels.bus_of(1, Core())
    for _ in range(3):
        assert first.readfrom_mem(0x48, 0, 2) == b"\x01\x00"
        assert second.readfrom_mem(0x48, 0, 2) == b"\x02\x00"
    check.raises(errno.ENODEV, first.readfrom, 0x49, 1)
    assert first.scan() == [0x48]
    assert second.scan() == [0x48, 0x49]


check.run(globals())
