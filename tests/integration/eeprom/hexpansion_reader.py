"""A strict reader of hexpansion images by the badge's own rules, and of our records between header and file system.

Written from the format's description, not from our code. Anything that is not exactly as it should be is an error.
"""

import struct
from typing import NamedTuple

import hat_reader

YEARS = (b"2024", b"2026")


class Image(NamedTuple):
    year: bytes
    file_system: int
    page_bytes: int
    total_bytes: int
    vid: int
    pid: int
    unique_id: int
    friendly_name: bytes
    records: list  # (kind, whole record)
    area: tuple  # (offset, length, page), or None


def demand(condition, what):
    if not condition:
        raise hat_reader.NotAnImage(what)


def read_header(data):
    demand(len(data) >= 32, "there is no header")
    checksum = 0x55
    for byte in data[1:31]:
        checksum ^= byte
    demand(checksum == data[31], "checksum")
    magic, year, *numbers, name = struct.unpack_from("<4s4sHHIHHH9s", data)
    demand(magic == b"THEX" and year in YEARS, "magic")
    return year, numbers, name


def read(data):
    year, (file_system, page, total, vid, pid, unique_id), name = read_header(data)
    demand(total == len(data), f"{total} bytes in the header, {len(data)} in the file")
    demand(page in (8, 16, 32, 64, 128, 256) and total % page == 0, f"pages of {page}")
    demand(32 <= file_system <= total and file_system % page == 0, f"file system at {file_system}")
    block = 512 if total >= 8192 else 64
    demand(total - file_system >= 2 * block, "the file system has less than two blocks")
    demand(set(data[file_system:]) <= {0xFF}, "the file system is not erased")
    demand(set(name[len(name.rstrip(b"\0")):]) <= {0} and b"\0" not in name.rstrip(b"\0"), "friendly name")
    records, at, area, covered = [], 32, None, b""
    while data[at:at + 4] == b"mpyd":
        kind, length = struct.unpack_from("<BI", data, at + 4)
        end = at + 9 + length
        demand(end <= (area[0] if area else file_system), "a record reaches beyond its room")
        demand(not records or records[-1][0] != 6, "a record behind the checksum")
        records.append((kind, data[at:end]))
        if kind in (3, 4):
            covered += data[at:end]
        if kind == 4:
            area = hat_reader.read_store_area(data[at:end])
        if kind == 6:
            demand(data[at + 9:end] == struct.pack("<H", hat_reader.crc16(covered)), "checksum of the records")
        at = end
    demand(not records or records[-1][0] == 6, "the records have no checksum")
    if area:
        demand(at <= area[0] < at + page and area[0] + area[1] == file_system, f"store area {area}")
    else:
        demand(file_system - at < page, "the file system does not begin on the next page")
    demand(set(data[at:]) <= {0xFF}, "behind the records the part is not erased")
    return Image(year, file_system, page, total, vid, pid, unique_id, name.rstrip(b"\0"), records, area)
