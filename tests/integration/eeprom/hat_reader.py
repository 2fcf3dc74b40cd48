"""A strict reader of HAT and HAT+ images by the format's own rules, as eepdump of raspberrypi/utils reads them.

Written from the format's description, not from our code. Anything that is not exactly as it should be is an error.
"""

import struct
import uuid
from typing import NamedTuple

VENDOR, GPIO_MAP, DEVICE_TREE, CUSTOM, GPIO_MAP_BANK1, POWER = range(1, 7)
GPIO_MAP_BYTES = 30
POWER_BYTES = 4


class Vendor(NamedTuple):
    uuid: uuid.UUID
    product_id: int
    product_version: int
    vendor: bytes
    product: bytes


class Image(NamedTuple):
    version: int
    vendor: Vendor
    atoms: list  # (type, data) in their order
    used_bytes: int


class NotAnImage(Exception):
    pass


def demand(condition, what):
    if not condition:
        raise NotAnImage(what)


def crc16(data):
    """Poly 0x8005, bits in and out reflected, from 0: bit by bit, as the format's tools do."""
    out = 0
    for byte in data:
        for bit in range(8):
            top = out >> 15
            out = (out << 1 | byte >> bit & 1) & 0xFFFF
            if top:
                out ^= 0x8005
    for _ in range(16):
        top = out >> 15
        out = out << 1 & 0xFFFF
        if top:
            out ^= 0x8005
    return int(f"{out:016b}"[::-1], 2)


def read_vendor(data):
    demand(len(data) >= 22, "the vendor atom is too short")
    serial, product_id, product_version, vendor_bytes, product_bytes = struct.unpack_from("<16sHHBB", data)
    demand(len(data) == 22 + vendor_bytes + product_bytes, "the vendor atom's strings do not fill it")
    strings = data[22:]
    # The format stores the least significant byte first.
    return Vendor(uuid.UUID(bytes=serial[::-1]), product_id, product_version, strings[:vendor_bytes],
                  strings[vendor_bytes:])


def read(data):
    demand(len(data) >= 12, "there is no header")
    signature, version, reserved, atom_count, used = struct.unpack_from("<4sBBHI", data)
    demand(signature == b"R-Pi", "the signature is wrong")
    demand(version in (1, 2), f"version {version}")
    demand(reserved == 0, "the reserved byte is set")
    demand(used <= len(data), "the length is beyond the image")
    demand(set(data[used:]) <= {0xFF}, "behind the image the part is not erased")
    atoms, at = [], 12
    for number in range(atom_count):
        demand(at + 10 <= used, "an atom starts beyond the length")
        kind, count, length = struct.unpack_from("<HHI", data, at)
        demand(kind in range(VENDOR, POWER + 1), f"type {kind}")
        demand(count == number, f"atom {number} says it is {count}")
        demand(2 <= length <= used - at - 8, f"atom {number} has {length} bytes")
        end = at + 8 + length
        demand(struct.unpack_from("<H", data, end - 2)[0] == crc16(data[at:end - 2]), f"checksum of atom {number}")
        atoms.append((kind, data[at + 8:end - 2]))
        at = end
    demand(at == used, "the atoms do not fill the length")
    kinds = [kind for kind, _ in atoms]
    demand(kinds[:1] == [VENDOR] and kinds.count(VENDOR) == 1, "the vendor atom is not the first and only one")
    demand(all(len(d) == GPIO_MAP_BYTES for k, d in atoms if k == GPIO_MAP), "a GPIO map of another size")
    demand(all(len(d) == POWER_BYTES for k, d in atoms if k == POWER), "a power atom of another size")
    demand(kinds.count(POWER) <= version - 1, "a power atom, where there is none or only one")
    demand(version == 2 or kinds[1:2] == [GPIO_MAP], "version 1 has a GPIO map behind the vendor atom")
    return Image(version, read_vendor(atoms[0][1]), atoms, used)


def records(image):
    """Our records in the custom atoms: (kind, content)."""
    out = []
    for kind, data in image.atoms:
        if kind == CUSTOM and data[:4] == b"mpyd" and len(data) >= 9 and data[4] in (1, 2, 3, 4):
            demand(len(data) == 9 + struct.unpack_from("<I", data, 5)[0], "a record does not fill its atom")
            out.append((data[4], data))
    return out


def read_store_area(record):
    """(offset, length, page) of a record of kind 4."""
    demand(len(record) == 20 and record[:10] == b"mpyd\x04\x0b\0\0\0\x01", "a store area's record")
    page, offset, length = struct.unpack_from("<HII", record, 10)
    demand(page in (8, 16, 32, 64, 128, 256) and offset % page == 0 and length % page == 0 and length > page,
           f"a store area of {length} bytes at {offset} in pages of {page}")
    return offset, length, page


def store_area(image):
    """The same of a HAT that has one; otherwise None."""
    found = [read_store_area(data) for kind, data in records(image) if kind == 4]
    demand(len(found) <= 1, "two store areas")
    for offset, _, page in found:
        demand(image.used_bytes <= offset < image.used_bytes + page, "the store area is not on the next page")
    return found[0] if found else None
