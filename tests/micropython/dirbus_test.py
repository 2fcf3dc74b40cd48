# A folder behaves like I2C parts do.

import errno
import os
import check
from mpyd import DirBus

ROOT = check.folder()


def bus(name, mux=0x70):
    path = ROOT + "/" + name
    os.mkdir(path)
    return DirBus(path, mux), path


def test_an_absent_part_does_not_answer():
    b, _ = bus("absent")
    check.raises(errno.ENODEV, b.writeto, 0x50, b"")
    check.raises(errno.ENODEV, b.readfrom, 0x50, 1)
    check.raises(errno.ENODEV, b.readfrom_mem, 0x48, 0, 2)


def test_adding_a_file_is_plugging_and_removing_it_is_pulling():
    b, path = bus("plug")
    check.write(path + "/50.eep", bytes(64))
    assert b.writeto(0x50, b"") == 0
    os.remove(path + "/50.eep")
    check.raises(errno.ENODEV, b.writeto, 0x50, b"")


def test_an_empty_file_is_not_there_yet():
    b, path = bus("empty")
    check.write(path + "/50.eep", b"")
    check.write(path + "/48.regs", "")
    check.raises(errno.ENODEV, b.readfrom, 0x50, 1)
    check.raises(errno.ENODEV, b.readfrom, 0x48, 1)


def test_an_eeprom_reads_on_from_its_counter_and_rolls_over_at_its_end():
    b, path = bus("eeprom_read")
    check.write(path + "/50.eep", bytes(range(256)) * 16)
    assert b.readfrom(0x50, 2) == b"\x00\x01"  # the counter starts at 0
    assert b.readfrom_mem(0x50, 0x10, 4, addrsize=16) == b"\x10\x11\x12\x13"
    assert b.readfrom(0x50, 2) == b"\x14\x15"
    assert b.readfrom_mem(0x50, 4094, 4, addrsize=16) == b"\xfe\xff\x00\x01"
    b.writeto(0x50, b"\x00\x20")
    assert b.readfrom(0x50, 1) == b"\x20"
    buffer = bytearray(3)
    b.readfrom_mem_into(0x50, 0x30, buffer, addrsize=16)
    assert buffer == b"\x30\x31\x32"


def test_a_file_of_a_small_parts_size_is_one():
    for size, blocks in ((128, 1), (256, 1), (512, 2), (1024, 4), (2048, 8)):
        b, path = bus("small_{}".format(size), None)
        content = bytes(i // 256 * 16 + i % 251 & 0xFF for i in range(size))
        check.write(path + "/50.eep", content)
        assert b.scan() == list(range(0x50, 0x50 + blocks)), b.scan()
        for block in range(blocks):
            assert b.readfrom_mem(0x50 + block, 5, 3) == content[256 * block + 5 : 256 * block + 8]
            assert b.readfrom(0x50 + block, 1) == content[256 * block + 8 : 256 * block + 9]
        # To the end of the whole part and round to its start.
        tail = min(256, size)
        assert b.readfrom_mem(0x50 + blocks - 1, tail - 2, 4) == content[-2:] + content[:2]


def test_any_other_file_is_a_large_part_and_reads_as_ff_behind_its_end():
    for size, part in ((3, 4096), (300, 4096), (4096, 4096), (5000, 8192), (65536, 65536)):
        b, path = bus("large_{}".format(size), None)
        check.write(path + "/50.eep", bytes(size))
        assert b.scan() == [0x50]
        assert b.readfrom_mem(0x50, size - 1, 2, addrsize=16) == (b"\x00\xff" if size < part else b"\x00\x00")
        assert b.readfrom_mem(0x50, part - 1, 2, addrsize=16)[1] == 0  # rolled over


def test_a_files_name_may_say_how_it_is_addressed():
    b, path = bus("named", None)
    check.write(path + "/50.w16.eep", bytes(range(256)))
    check.write(path + "/54.w8.eep", bytes(range(200)))
    assert b.scan() == [0x50, 0x54]
    assert b.readfrom_mem(0x50, 0x0012, 2, addrsize=16) == b"\x12\x13"
    assert b.readfrom_mem(0x54, 0x34, 2) == b"\x34\x35"
    assert b.readfrom_mem(0x54, 0xFE, 3) == b"\xff\xff\x00"


def test_files_that_are_no_parts_are_left_alone():
    b, path = bus("others", None)
    for name in ("50.eep~", "50.bin", "5.eep", "zz.eep", "README", "50.w12.eep"):
        check.write(path + "/" + name, bytes(64))
    assert b.scan() == []


def test_an_eeprom_loses_its_counter_when_pulled():
    b, path = bus("eeprom_power")
    check.write(path + "/50.eep", bytes(range(64)))
    b.writeto(0x50, b"\x00\x20")
    os.remove(path + "/50.eep")
    check.raises(errno.ENODEV, b.readfrom, 0x50, 1)
    check.write(path + "/50.eep", bytes(range(64)))
    assert b.readfrom(0x50, 1) == b"\x00"


def test_an_eeprom_that_was_replaced_is_another_one():
    b, path = bus("eeprom_swap")
    check.write(path + "/50.eep", bytes(range(64)))
    b.writeto(0x50, b"\x00\x20")
    check.write(path + "/new", bytes(range(64)))
    os.rename(path + "/new", path + "/50.eep")
    assert b.readfrom(0x50, 1) == b"\x00"


def test_an_eeprom_write_wraps_within_its_page():
    b, path = bus("eeprom_write")
    check.write(path + "/50.eep", bytes(96))
    b.writeto_mem(0x50, 62, b"\x01\x02\x03\x04", addrsize=16)
    assert check.read(path + "/50.eep") == bytes(32) + b"\x03\x04" + bytes(28) + b"\x01\x02" + bytes(32)
    assert b.readfrom(0x50, 1) == b"\x00"  # what it wrote itself makes it no other part


def test_a_write_behind_the_end_of_a_file_makes_it_longer():
    b, path = bus("eeprom_grow")
    check.write(path + "/50.eep", bytes(10))
    b.writeto_mem(0x50, 0x61, b"\x01", addrsize=16)
    assert check.read(path + "/50.eep") == bytes(10) + b"\xff" * 87 + b"\x01" + b"\xff" * 30


def test_small_parts_have_small_pages_and_write_in_the_block_they_were_asked_for():
    b, path = bus("eeprom_write_small")
    check.write(path + "/50.eep", bytes(1024))
    b.writeto_mem(0x52, 14, b"\x01\x02\x03\x04")
    image = check.read(path + "/50.eep")
    assert image[0x200:0x202] == b"\x03\x04" and image[0x20E:0x210] == b"\x01\x02" and sum(image) == 10


def test_a_write_protected_eeprom_takes_data_and_keeps_none():
    b, path = bus("eeprom_protected")
    check.write(path + "/50.eep", bytes(64))
    os.system("chmod a-w {}/50.eep".format(path))
    b.writeto_mem(0x50, 0, b"\x01", addrsize=16)
    assert b.readfrom_mem(0x50, 0, 1, addrsize=16) == b"\x00"
    assert check.read(path + "/50.eep") == bytes(64)


def test_an_eeprom_write_without_stop_writes_nothing():
    b, path = bus("eeprom_no_stop")
    check.write(path + "/50.eep", bytes(64))
    b.writeto(0x50, b"\x00\x00\xaa", False)
    b.readfrom(0x50, 1)
    assert check.read(path + "/50.eep") == bytes(64)


def test_registers_have_a_pointer_and_wrap():
    b, path = bus("registers")
    check.write(path + "/48.regs", "# a sensor\n00: 19 00\n01: 60 # config\n02: 4b 00\n03: 50 00\n")
    assert b.readfrom_mem(0x48, 0, 2) == b"\x19\x00"
    assert b.readfrom(0x48, 4) == b"\x19\x00\x19\x00"
    assert b.readfrom_mem(0x48, 6, 2) == b"\x4b\x00"  # 6 wraps to 2
    b.writeto_mem(0x48, 1, b"\x61")
    b.writevto(0x48, [b"\x02", b"\x10\x20"])
    expected = "# a sensor\n00: 19 00\n01: 61 # config\n02: 10 20\n03: 50 00\n"
    assert check.read(path + "/48.regs").decode() == expected


def test_registers_can_be_edited_while_the_bus_runs():
    b, path = bus("edited")
    check.write(path + "/48.regs", "00: 19 00")
    assert b.readfrom_mem(0x48, 0, 2) == b"\x19\x00"
    check.write(path + "/48.regs", "00: 1a 80")
    assert b.readfrom(0x48, 2) == b"\x1a\x80"


def test_a_channel_is_visible_while_selected():
    b, path = bus("mux")
    for slot in (0, 3):
        os.mkdir("{}/slot{}".format(path, slot))
        check.write("{}/slot{}/50.eep".format(path, slot), bytes([slot]) * 64)
    check.raises(errno.ENODEV, b.readfrom, 0x50, 1)
    for slot in (0, 3):
        b.writeto(0x70, bytes([1 << slot]))
        assert b.readfrom(0x70, 1) == bytes([1 << slot])
        assert b.readfrom(0x50, 1) == bytes([slot])
    b.writeto(0x70, b"\x00")
    check.raises(errno.ENODEV, b.readfrom, 0x50, 1)


def test_parts_on_several_selected_channels_answer_together():
    b, path = bus("together")
    for slot, value in ((0, 0b1100), (1, 0b1010)):
        os.mkdir("{}/slot{}".format(path, slot))
        check.write("{}/slot{}/50.eep".format(path, slot), bytes([value]) * 64)
    b.writeto(0x70, b"\x03")
    assert b.readfrom(0x50, 1) == bytes([0b1000])
    b.writeto(0x50, b"\x00\x00\x55")
    assert check.read(path + "/slot0/50.eep")[0] == check.read(path + "/slot1/50.eep")[0] == 0x55


def test_without_a_multiplexer_its_address_is_silent():
    b, path = bus("no_mux", None)
    os.mkdir(path + "/slot0")
    check.raises(errno.ENODEV, b.writeto, 0x70, b"\x01")


def test_scan_finds_what_answers():
    b, path = bus("scan")
    check.write(path + "/50.eep", bytes(32))
    check.write(path + "/48.regs", "00: 00")
    assert b.scan() == [0x48, 0x50, 0x70]


check.run(globals())
