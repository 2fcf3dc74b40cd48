# Runs in the firmware of qemu_port_test.py: as objects of Python, the hardware that MicroPython's qemu port has none of.

import _host
import errno
import mpyd
import vfs

EEPROM = 0x50
EXPANDER = 0x18


class Bus:
    """machine.I2C's methods, and one board on it: an EEPROM with two address bytes, and four registers of a MAX7310."""

    def __init__(self):
        self.image = None
        self.registers = bytearray(4)
        self._at = 0

    def plug(self, path):
        self.image = _host.file(path)
        self.registers[:] = b"\x00\x00\xf0\xff"

    def pull(self):
        self.image = None

    def _memory(self, address):
        if self.image is None or address not in (EEPROM, EXPANDER):
            raise OSError(errno.ENODEV)
        return self.image if address == EEPROM else self.registers

    def writeto(self, address, buffer, stop=True):
        memory = self._memory(address)
        # An EEPROM to which only half an address was sent goes on where it was.
        if address == EEPROM and len(buffer) >= 2:
            self._at = int.from_bytes(buffer[:2], "big")
        elif address == EXPANDER:
            self._at = buffer[0]
            for value in buffer[1:]:
                memory[self._at] = value
        return len(buffer)

    def readfrom_into(self, address, buffer, stop=True):
        memory = self._memory(address)
        for i in range(len(buffer)):
            buffer[i] = memory[self._at % len(memory)]
            self._at += 1

    def readfrom_mem_into(self, address, register, buffer, *, addrsize=8):
        self.writeto(address, register.to_bytes(addrsize // 8, "big"), False)
        self.readfrom_into(address, buffer)

    def readfrom_mem(self, address, register, count, *, addrsize=8):
        buffer = bytearray(count)
        self.readfrom_mem_into(address, register, buffer, addrsize=addrsize)
        return bytes(buffer)

    def writeto_mem(self, address, register, data, *, addrsize=8):
        self.writeto(address, register.to_bytes(addrsize // 8, "big") + bytes(data))


class Cable:
    """Another transport than sockets: a memory that both sides see. Each side has a page with its counts, then bytes:
    connection, bytes so far, and whether it is closed. The agent's side begins at block 0, the other at block 8."""

    THERE = 8
    BLOCK = 4096

    def __init__(self):
        self._memory = _host.Flash("cable")
        self._connection = 0

    def _tell(self, is_closed=0):
        counts = (self._connection, self._sent, is_closed)
        self._memory.writeblocks(0, b"".join(n.to_bytes(4, "little") for n in counts), 0)

    def open(self, host, port):
        self._connection += 1
        self._sent = self._received = 0
        self._tell()

    def send(self, data):
        self._memory.writeblocks(1, bytes(data), self._sent)
        self._sent += len(data)
        self._tell()
        return len(data)

    def receive(self, buffer):
        counts = bytearray(12)
        self._memory.readblocks(self.THERE, counts, 0)
        connection, count, is_closed = (int.from_bytes(counts[i : i + 4], "little") for i in (0, 4, 8))
        if connection != self._connection:
            return None
        count = min(len(buffer), count - self._received)
        if count == 0:
            if is_closed:
                raise OSError(errno.ECONNRESET)
            return None
        self._memory.readblocks(self.THERE + 1, memoryview(buffer)[:count], self._received)
        self._received += count
        return count

    def close(self):
        self._tell(1)


def make_agent():
    """The agent, on a file system that lies in the host's file `flash`."""
    flash = _host.Flash("flash")
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/")
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/")
    bus = Bus()
    agent = mpyd.Agent(bus, identity=_host.file("identity"), cache="/cache", slots=[None], net=Cable(), retry_max_ms=300,
                       sync_interval_ms=1000, trial_ms=200)
    agent.on("*", tell)
    return bus, agent


def tell(event):
    print("event", event.kind, event.error or "-", event.detail)


def poll(count):
    for _ in range(count):
        agent.poll()


bus, agent = make_agent()
