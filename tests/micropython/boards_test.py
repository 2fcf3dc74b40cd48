# Boards of all kinds in slots of all kinds, on real MicroPython.

import errno
import os
import time
import check
import motherboard
import mpyd
from motherboard import GIVEN, SENSOR
from mpyd import Place

ROOT = check.folder()


class Motherboard(motherboard.Motherboard):
    """Without a multiplexer: the folder itself is the bus."""

    def __init__(self, name, slots, **options):
        super().__init__(ROOT + "/" + name, muxes=(), slots=slots, **options)
        check.write(self.bus + "/48.regs", SENSOR)

    def make_bus(self):
        return mpyd.DirBus(self.bus, mux=None)

    def plug_as(self, name, image):
        """image: a name, or bytes. All at once, as contacts do not close."""
        data = image if isinstance(image, bytes) else check.read("{}/{}.eep".format(GIVEN, image))
        check.write(self.bus + "/new", data)
        os.rename(self.bus + "/new", self.bus + "/" + name)

    def poll(self, count):
        for _ in range(count):
            time.sleep_ms(min(self.agent.poll(), 1))


def test_capes_stacked_on_one_bus_run_side_by_side():
    m = Motherboard("capes", [Place(address=address) for address in range(0x54, 0x58)])
    images = ("thermo_x64", "curious", "thermo_any", "thermo_x64")
    for i, image in enumerate(images):
        m.plug_as("{}.eep".format(54 + i), image)
    for _ in images:
        m.wait("loaded")
    for i, slot in enumerate(m.agent.slots):
        assert slot.state == "running" and slot.board.address == 0x54 + i and slot.layout == "hat"
    assert len(m.agent.find_all(m.agent.slots[0].hardware_id)) == 2
    # A driver's own board and those of the others.
    bus = m.agent.slots[1].board.bus
    for address in range(0x54, 0x58):
        check.raises(errno.EPERM, bus.writeto_mem, address, 0, b"\x00", addrsize=16)
    os.remove(m.bus + "/54.eep")
    m.wait("removed", 0)
    assert m.agent.slots[0].device is None
    assert m.agent.slots[3].device.temperature() == 21500
    m.agent.stop()


def test_a_small_part_answers_at_all_its_addresses_and_all_are_protected():
    m = Motherboard("small", [None])
    m.plug_as("50.w8.eep", check.read(GIVEN + "/curious.eep") + b"\xff" * 500)
    m.wait("loaded")
    bus = m.agent.slots[0].board.bus
    found = bus.scan()
    blocks = [address for address in found if address >= 0x50]
    assert len(blocks) > 1 and m.agent.slots[0].board.address == 0x50
    for address in blocks:
        check.raises(errno.EPERM, bus.writeto, address, b"\x00\x01")
        check.raises(errno.EPERM, bus.readfrom_mem, address, 0, 1, addrsize=16)
    assert bus.readfrom_mem(0x50, 0, 4) == b"R-Pi"
    assert m.agent.slots[0].board.config == b"a configuration"
    m.agent.stop()


def test_what_a_driver_reads_of_its_eeprom_makes_it_no_other_board():
    m = Motherboard("reads", [None])
    m.plug_as("50.eep", "curious")
    m.wait("loaded")
    bus = m.agent.slots[0].board.bus
    for _ in range(10):
        assert bus.readfrom_mem(0x50, 0, 4, addrsize=16) == b"R-Pi"
        m.poll(5)
        bus.readfrom(0x50, 3)
        m.poll(5)
    assert m.agent.slots[0].state == "running" and not [e for e in m.events if e.kind == "removed"]
    m.agent.stop()


def test_a26_a_board_swapped_between_two_polls_is_noticed():
    m = Motherboard("swap", [None])
    m.plug_as("50.eep", "thermo_x64")
    m.wait("loaded")
    first = m.agent.slots[0].device
    m.poll(20)
    m.plug_as("50.eep", "curious")
    m.wait("removed")
    check.raises(errno.ENODEV, lambda: first.temperature)
    m.wait("loaded")
    assert len(m.agent.slots[0].device) == 6
    m.agent.stop()


def test_a_presence_line_takes_the_place_of_polling():
    line = [False]
    m = Motherboard("presence", [Place(presence=lambda: line[0])])
    transfers = []
    plain = m.agent._channels.transfer
    m.agent._channels.transfer = lambda *args: transfers.append(args) or plain(*args)
    m.plug_as("50.eep", "thermo_x64")
    m.poll(30)
    assert m.agent.slots[0].state == "empty" and not transfers
    line[0] = True
    m.wait("loaded")
    line[0] = False
    m.wait("removed")
    del transfers[:]
    m.poll(30)
    assert not transfers
    m.agent.stop()


def cape(part_number, current_ma):
    """An image of a BeagleBone cape's EEPROM; device-agent knows the layout from schema/eeprom/cape.md."""

    def text(value, length):
        return value.encode() + bytes(length - len(value))

    currents = b"".join(ma.to_bytes(2, "big") for ma in (0, current_ma, 0, 0))
    return (
        b"\xaa\x55\x33\xee" + b"A1" + text("a cape", 32) + b"00A0" + text("Meadow", 16) + text(part_number, 16)
        + bytes(2) + text("0126ABCD0001", 12) + bytes(148) + currents + b"\xff" * (32768 - 244)
    )  # fmt: skip


def test_a_board_that_asks_for_more_current_than_is_left_is_refused():
    m = Motherboard("current", [Place(address=0x54), Place(address=0x55)], current_ma=1000)
    m.plug_as("54.eep", cape("FIRST", 700))
    m.wait("identified", 0)
    m.plug_as("55.eep", cape("SECOND", 600))
    m.wait("identified", 1)
    m.poll(50)
    first, second = m.agent.slots
    assert first.layout == "cape" and first.current_ma == 700 and second.current_ma == 600
    assert second.error.name == "power" and "600" in str(second.error) and "700" in str(second.error), str(second.error)
    assert first.error is None or first.error.name != "power"
    m.agent.stop()


def test_a_bus_that_hangs_is_freed_and_both_are_told():
    hangs = [False]
    called = []

    def recover():
        called.append(True)
        hangs[0] = len(called) < 3
        if hangs[0]:
            raise OSError(errno.EIO)

    m = Motherboard("stuck", [None], recover=recover)
    plain = m.agent._channels._bus

    class Hanging:
        def __getattr__(self, name):
            if hangs[0]:
                raise OSError(16)
            return getattr(plain, name)

    m.agent._channels._bus = Hanging()
    m.plug_as("50.eep", "thermo_x64")
    m.wait("loaded")
    hangs[0] = True
    event = m.wait("stuck")
    assert event.error == "io" and event.detail, str(event)
    event = m.wait("stuck")
    assert event.error is None and len(called) == 3, (str(event), called)
    m.poll(20)
    assert m.agent.slots[0].device.temperature() == 21500
    m.agent.stop()


def test_a_driver_is_stored_on_its_board():
    m = Motherboard("store", [None])
    m.plug_as("50.eep", "thermo_to_store")
    m.wait("loaded")
    before = check.read(m.bus + "/50.eep")
    m.agent.slots[0].store()
    event = m.wait("stored", 0)
    assert event.error is None, str(event)
    after = check.read(m.bus + "/50.eep")
    assert after[:64] == before[:64] and after[64:] != before[64:] and b"mpyd\x05" in after
    assert m.agent.slots[0].device.temperature() == 21500
    # Once more is no work; and the same goes by number.
    m.poll(50)
    m.agent.store(0)
    assert m.wait("stored", 0).error is None
    assert check.read(m.bus + "/50.eep") == after
    m.agent.stop()


def test_storing_where_there_is_no_room_is_explained():
    m = Motherboard("no_store", [None])
    for plug, word in ((False, "no_device"), (True, "not_found")):
        if plug:
            m.plug_as("50.eep", "thermo_x64")
            m.wait("loaded")
        try:
            m.agent.store(0)
            raise AssertionError("accepted")
        except ValueError as e:
            assert word in str(e), e
    m.agent.stop()


def test_a_write_protected_board_says_so():
    m = Motherboard("protected", [None])
    m.plug_as("50.eep", "thermo_to_store")
    m.wait("loaded")
    os.system("chmod a-w {}/50.eep".format(m.bus))
    m.agent.slots[0].store()
    event = m.wait("stored", 0)
    assert event.error == "write_protected", str(event)
    m.agent.stop()


check.run(globals())
