# An I2C bus that is a folder, with the methods of machine.I2C. Adding a file is plugging, removing it is
# pulling; the files are the parts' memory, for people to look at and edit.
#
#   50.eep         an EEPROM at 0x50: 16-bit addresses, as large as the file, pages of 32 bytes
#   48.regs        a part with a register pointer at 0x48; per line a register and its bytes: `00: 19 00`
#   slot0 ... 7    the channels of a pca9548 multiplexer

import errno
import os

_PAGE = 32


def _nack():
    raise OSError(errno.ENODEV)


class _Eeprom:
    """24C32 and up: an address pointer that reads move on, and writes that stay within a page."""

    suffix = ".eep"

    def __init__(self, path):
        self._path = path
        self._pointer = 0

    def _size(self, f):
        size = f.seek(0, 2)
        if size == 0:
            _nack()  # a file that is being written
        return size

    def write(self, data, stop):
        with open(self._path, "r+b") as f:
            size = self._size(f)
            if len(data) < 2:
                return
            at = self._pointer = (data[0] << 8 | data[1]) % size
            # Written when the transfer ends with STOP; a START in its place is the beginning of a read.
            for byte in data[2:] if stop else b"":
                f.seek(at)
                f.write(bytes([byte]))
                at = at - at % _PAGE + (at + 1) % _PAGE
                self._pointer = at % size

    def read(self, count):
        with open(self._path, "rb") as f:
            size = self._size(f)
            at = self._pointer % size
            self._pointer = (at + count) % size
            data = b""
            while len(data) < count:
                f.seek(at)
                data += f.read(min(count - len(data), size - at))
                at = 0
            return data


class _Registers:
    """A TMP105-like part: the first byte written is the pointer, the others go into its register. Bytes past
    a register's end wrap within it, pointers past the last register wrap to the first."""

    suffix = ".regs"

    def __init__(self, path):
        self._path = path
        self._pointer = 0

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

    def write(self, data, stop):
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

    def read(self, count):
        _, value = self._register(self._load()[1])
        return bytes(value[i % len(value)] for i in range(count))


class _Mux:
    """A pca9548: one control byte, a bit per channel."""

    def __init__(self):
        self.control = 0

    def write(self, data, stop):
        if len(data):
            self.control = data[-1]

    def read(self, count):
        return bytes([self.control]) * count


class DirBus:
    """path: the folder. mux: the address of the multiplexer, None if there is none."""

    def __init__(self, path, mux=0x70):
        self._path = path.rstrip("/")
        self._mux_address = mux
        self._mux = _Mux()
        self._parts = {}  # path -> part that answered last time

    def _folders(self):
        yield self._path
        if self._mux_address is not None:
            for channel in range(8):
                if self._mux.control & 1 << channel:
                    yield "{}/slot{}".format(self._path, channel)

    def _part(self, path, kind):
        try:
            os.stat(path)
        except OSError:
            self._parts.pop(path, None)  # pulled: it loses its pointer
            return None
        part = self._parts.get(path)
        if part is None:
            part = self._parts[path] = kind(path)
        return part

    def _answering(self, address):
        parts = [self._mux] if address == self._mux_address else []
        for folder in self._folders():
            for kind in (_Eeprom, _Registers):
                part = self._part("{}/{:02x}{}".format(folder, address, kind.suffix), kind)
                if part:
                    parts.append(part)
        if not parts:
            _nack()
        return parts

    def _write(self, address, data, stop):
        for part in self._answering(address):
            part.write(data, stop)

    def _read(self, address, count):
        # A line is low if anyone pulls it low.
        result = bytearray(b"\xff" * count)
        for part in self._answering(address):
            for i, byte in enumerate(part.read(count)):
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
