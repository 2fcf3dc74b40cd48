"""What lies in the firmware's flash and static RAM, from the linker's map; and which functions and stack frames are large."""

import collections
import pathlib
import re
import subprocess

AGENT = ("core", "protocol", "protocol: EEPROM formats", "protocol: trust", "messages", "nanopb", "port")
CRYPTOGRAPHY = ("Ed25519 verify", "X25519 ladder", "SHA-512", "SHA-256", "ChaCha20-Poly1305", "libsodium, rest")
# Objects of libsodium that are part of more than one thing are the rest.
PRIMITIVES = {
    "Ed25519 verify": ("ed25519_ref10", "open", "sign"),
    "X25519 ladder": ("x25519_ref10", "scalarmult_curve25519"),
    "SHA-512": ("hash_sha512_cp", "hash_sha512"),
    "SHA-256": ("hash_sha256_cp", "hash_sha256"),
    "ChaCha20-Poly1305": ("chacha20_ref", "stream_chacha20", "core_hchacha20", "poly1305_donna", "onetimeauth_poly1305",
                          "aead_xchacha20poly1305", "secretbox_xchacha20poly1305", "secretstream_xchacha20poly1305",
                          "box_curve25519xchacha20poly1305"),
}
MEMBER = re.compile(r"libsodium\.a\((\w+)\.o\)")
# Whose code it is, by the object's path; the first that fits.
PLACES = (
    ("libnanopb.a", "nanopb"), ("/mpyd/v1/", "messages"), ("protocol/eeprom/", "protocol: EEPROM formats"),
    ("protocol/trust/", "protocol: trust"), ("/protocol/", "protocol"), ("device-agent/core/", "core"),
    ("device-agent/ports/", "port"), ("lwip", "lwIP"), ("libgcc.a", "C library"), ("libc_nano.a", "C library"),
)
LINE = re.compile(r"^ (\.\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
OUTPUT = re.compile(r"^(\.\S+)")
KINDS = {".text": "flash", ".ARM.exidx": "flash", ".data": "data", ".bss": "bss", ".noinit": "bss"}


def part_of(path, section):
    if "frozen_content" in path:
        return "port, frozen Python" if "mpyd" in section else "MicroPython"
    member = MEMBER.search(path)
    if member:
        return next((name for name, objects in PRIMITIVES.items() if member[1] in objects), "libsodium, rest")
    return next((part for text, part in PLACES if text in path), "MicroPython")


def sizes(map_file):
    """{"flash": {part: bytes}, "data": ..., "bss": ...}"""
    text = pathlib.Path(map_file).read_text()
    result = {kind: collections.Counter() for kind in ("flash", "data", "bss")}
    kind = name = None
    for line in text[text.index("Linker script and memory map"):].splitlines():
        output = OUTPUT.match(line)
        if output:
            kind = KINDS.get(output[1])
        alone = re.match(r"^ (\.\S+)$", line)  # its sizes are on the next line
        if alone:
            name = alone[1]
            continue
        fits = LINE.match(line)
        if fits and kind:
            size = int(fits[3], 16)
            result[kind][part_of(fits[4], fits[1] or name or "")] += size
        name = None
    return {kind: dict(counter.most_common()) for kind, counter in result.items()}


def symbols(elf):
    """[(address, bytes, name)] of code and constants, by address."""
    said = subprocess.run(["arm-none-eabi-nm", "-S", "-C", elf], capture_output=True, text=True, check=True).stdout
    found = []
    for line in said.splitlines():
        fields = line.split(maxsplit=3)
        if len(fields) == 4 and fields[2] in "tTrRvVwW":
            found.append((int(fields[0], 16) & ~1, int(fields[1], 16), fields[3]))
    return sorted(set(found))


def plain_name(name):
    """Without return type, parameters and template arguments, so that nm's name equals that of -fstack-usage."""
    name = name.split(" [clone")[0].replace("(anonymous namespace)", "{anonymous}")
    name = name.split("(")[0]
    while "<" in name:
        shorter = re.sub(r"<[^<>]*>", "", name)
        if shorter == name:
            break
        name = shorter
    return name.split()[-1].lstrip("*&") if name.split() else name


IS_OURS = re.compile(r"^(mpyd|pb_|ge25519|fe25519|sc25519|crypto_|SHA|sha|chacha|poly1305)")


def largest(elf, count):
    """[(name, bytes)] of the agent and what it links, symbols of equal name and address once."""
    ours = {(address, size): name for address, size, name in symbols(elf) if IS_OURS.match(plain_name(name) or "")}
    return [(plain_name(name), size) for (_, size), name in sorted(ours.items(), key=lambda item: -item[0][1])[:count]]


def frames(folder):
    """{name: bytes} of all stack frames, from the compiler's .su files."""
    found = {}
    for file in pathlib.Path(folder).rglob("*.su"):
        for line in file.read_text().splitlines():
            place, size, _ = line.split("\t")
            name = plain_name(place.split(":", 3)[3])
            found[name] = max(found.get(name, 0), int(size))
    return found


def callers(elf, folder, addresses):
    """[(name, frame)] for return addresses from the deepest on; words that only look like some are told by the frames:
    what has none that matters is left out."""
    table = symbols(elf)
    known = frames(folder)
    result = []
    for address in addresses:
        inside = next((name for start, size, name in table if start < (address & ~1) <= start + size), None)
        name = plain_name(inside) if inside else None
        if name in known and known[name] >= 64 and name not in [n for n, _ in result]:
            result.append((name, known[name]))
    return result
