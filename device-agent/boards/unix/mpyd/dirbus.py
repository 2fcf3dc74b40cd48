# An I2C bus that is a folder, with the methods of machine.I2C. Adding a file is plugging, removing it is
# pulling; the files are the parts' memory, for people to look at and edit.
#
#   50.eep         an EEPROM at 0x50. A file of exactly 128, 256, 512, 1024 or 2048 bytes is a 24C01 to 24C16: one address
#                  byte, and from 512 bytes on several I2C addresses, 256 bytes each. Any other is a 24C32 or larger: two
#                  address bytes. Where a file ends before its part does, the rest reads as ff. A file that nobody may
#                  write (chmod a-w) is write-protected: the part takes data and keeps none. A file that was replaced or
#                  edited is another part.
#   50.w16.eep     the same with two address bytes whatever its size; 50.w8.eep: with one, which reaches 2048 bytes at most
#   48.regs        a part with a register pointer at 0x48; per line a register and its bytes: `00: 19 00`
#   slot0 ... 7    the channels of a pca9548 multiplexer

import errno
import os

_BLOCK = 256
_SMALL = (128, 256, 512, 1024, 2048)
_LARGE = (4096, 8192, 16384, 32768, 65536)


def _nack():
    raise OSError(errno.ENODEV)


class _Eeprom:
    """An address counter that reads move on, and writes that stay within a page and are kept at STOP."""

    def __init__(self, path, width):
        self._path = path
        self._counter = 0
        self._look()
        self.address_bytes = width // 8 if width else 1 if self._bytes in _SMALL else 2
        sizes = _SMALL if self.address_bytes == 1 else _LARGE
        # An empty file is being written.
        self.size = self._bytes and min([size for size in sizes if size >= self._bytes] or sizes[-1:])
        self.blocks = max(1, self.size // _BLOCK) if self.address_bytes == 1 else 1
        # The smallest of each size: larger pages would be no proof.
        self._page = 8 if self.size <= 256 else 16 if self.size <= 2048 else 32 if self.size <= 8192 else 64

    def _look(self):
        found = os.stat(self._path)
        self.mark = found[1], found[6], found[8]  # inode, size, time
        self._bytes = found[6]
        self._is_protected = not found[0] & 0o222
        return found

    def is_there(self):
        """Whether the file is still the one that this part came from."""
        mark = self.mark
        self._look()
        return self.mark == mark

    def write(self, block, data, stop):
        if len(data) < self.address_bytes:
            return
        at = int.from_bytes(data[: self.address_bytes], "big") + (block * _BLOCK if self.address_bytes == 1 else 0)
        at = self._counter = at % self.size
        # Written when the transfer ends with STOP; a START in its place is the beginning of a read.
        values = data[self.address_bytes :] if stop else b""
        if not values:
            return
        page = at - at % self._page
        self._counter = page + (at + len(values)) % self._page
        if self._is_protected:
            return
        with open(self._path, "r+b") as f:
            f.seek(self._bytes)
            f.write(b"\xff" * (page + self._page - self._bytes))
            for i, value in enumerate(values):
                f.seek(page + (at + i) % self._page)
                f.write(bytes([value]))
        self._look()

    def read(self, block, count):
        if self.address_bytes == 1:
            # The address byte's bits above the eighth come with the I2C address, at every read.
            self._counter = block * _BLOCK % self.size + self._counter % min(_BLOCK, self.size)
        data = bytearray(b"\xff" * count)
        with open(self._path, "rb") as f:
            done = 0
            while done < count:
                length = min(count - done, self.size - self._counter)
                f.seek(self._counter)
                got = f.read(length)
                data[done : done + len(got)] = got
                done += length
                self._counter = (self._counter + length) % self.size
        return bytes(data)


class _Registers:
    """A TMP105-like part: the first byte written is the pointer, the others go into its register. Bytes past
    a register's end wrap within it, pointers past the last register wrap to the first."""

    blocks = 1
    size = 1

    def __init__(self, path, width):
        self._path = path
        self._pointer = 0

    def is_there(self):
        os.stat(self._path)
        return True

    def _load(self):
        with open(self._path) as f:
            lines = f.read().split("\n")
        registers = {}
        for i, line in enumerate(lines):
            number, colon, values = line.split("#")[0].partition(":")
            if colon:
                registers[int(number, 16)] = i, bytes(int(v, 16) for v in values.split())
        if not registers:
            _nack()  # a file that is being written
        return lines, registers

    def _register(self, registers):
        return registers.get(self._pointer % (max(registers) + 1), (None, b"\xff"))

    def write(self, block, data, stop):
        lines, registers = self._load()
        if len(data):
            self._pointer = data[0]
        line, value = self._register(registers)
        if len(data) < 2 or line is None:
            return
        value = bytearray(value)
        for i, byte in enumerate(data[1:]):
            value[i % len(value)] = byte
        text, hash, comment = lines[line].partition("#")
        lines[line] = text.partition(":")[0] + ": " + value.hex(" ") + (" #" + comment if hash else "")
        temporary = self._path + "~"
        with open(temporary, "w") as f:
            f.write("\n".join(lines))
        os.rename(temporary, self._path)

    def read(self, block, count):
        _, value = self._register(self._load()[1])
        return bytes(value[i % len(value)] for i in range(count))


class _Mux:
    """A pca9548: one control byte, a bit per channel."""

    def __init__(self):
        self.control = 0

    def write(self, block, data, stop):
        if len(data):
            self.control = data[-1]

    def read(self, block, count):
        return bytes([self.control]) * count


# What follows the address in a file's name: the kind of part, and the bits of its own addresses.
_KINDS = {"eep": (_Eeprom, None), "w8.eep": (_Eeprom, 8), "w16.eep": (_Eeprom, 16), "regs": (_Registers, None)}


class DirBus:
    """path: the folder. mux: the address of the multiplexer, None if there is none."""

    def __init__(self, path, mux=0x70):
        self._path = path.rstrip("/")
        self._mux_address = mux
        self._mux = _Mux()
        self._parts = {}  # folder -> name -> (address, part) that was there last time

    def _folders(self):
        yield self._path
        if self._mux_address is not None:
            for channel in range(8):
                if self._mux.control & 1 << channel:
                    yield "{}/slot{}".format(self._path, channel)

    def _part(self, path, name, known):
        """(address, part) of a file, None if it is none. `known`: what it was last time."""
        try:
            if known is None or not known[1].is_there():
                number, _, suffix = name.partition(".")
                kind, width = _KINDS[suffix]
                known = int(number, 16), kind(path, width)
            return known
        except (OSError, KeyError, ValueError):
            return None  # gone in this moment, or not ours

    def _plugged(self):
        """(address, part) of everything that is on the bus now. What is gone takes its counter along."""
        found = []
        for folder in self._folders():
            known = self._parts.get(folder, {})
            parts = {}
            try:
                for entry in os.ilistdir(folder):
                    name = entry[0]
                    part = self._part(folder + "/" + name, name, known.get(name))
                    if part and part[1].size:
                        parts[name] = part
            except OSError:
                parts.clear()  # no such channel
            self._parts[folder] = parts
            found += parts.values()
        return found

    def _answering(self, address):
        """(part, block) of everything that answers there."""
        parts = [(self._mux, 0)] if address == self._mux_address else []
        parts += [(part, address - first) for first, part in self._plugged() if first <= address < first + part.blocks]
        if not parts:
            _nack()
        return parts

    def _write(self, address, data, stop):
        for part, block in self._answering(address):
            part.write(block, data, stop)

    def _read(self, address, count):
        # A line is low if anyone pulls it low.
        result = bytearray(b"\xff" * count)
        for part, block in self._answering(address):
            for i, byte in enumerate(part.read(block, count)):
                result[i] &= byte
        return bytes(result)

    def scan(self):
        found = []
        for address in range(0x08, 0x78):
            try:
                self._answering(address)
                found.append(address)
            except OSError:
                pass
        return found

    def writeto(self, address, buffer, stop=True):
        self._write(address, bytes(buffer), stop)
        return len(buffer)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(bytes(v) for v in vector), stop)

    def readfrom(self, address, nbytes, stop=True):
        return self._read(address, nbytes)

    def readfrom_into(self, address, buffer, stop=True):
        buffer[:] = self._read(address, len(buffer))

    def writeto_mem(self, address, memaddr, buffer, *, addrsize=8):
        self._write(address, memaddr.to_bytes(addrsize // 8, "big") + bytes(buffer), True)

    def readfrom_mem(self, address, memaddr, nbytes, *, addrsize=8):
        self._write(address, memaddr.to_bytes(addrsize // 8, "big"), False)
        return self._read(address, nbytes)

    def readfrom_mem_into(self, address, memaddr, buffer, *, addrsize=8):
        buffer[:] = self.readfrom_mem(address, memaddr, len(buffer), addrsize=addrsize)
