"""A strict reader of LIFE add-on images in the binary layout, written from the format's description."""

import hat_reader


def read(data):
    """(name, driver name, driver data)"""
    if data[:4] != b"LIFE" or len(data) < 8 or data[7] != 0:
        raise hat_reader.NotAnImage("header")
    parts, at = [], 8
    for length in data[4:7]:
        parts.append(data[at:at + length])
        at += length
    if at > len(data) or set(data[at:]) - {0xFF}:
        raise hat_reader.NotAnImage("lengths")
    return parts[0].decode("utf-8"), parts[1].decode("ascii"), parts[2]
