# The emulated motherboard's I2C bus. QEMU cannot plug I2C devices in or out while it runs, so presence is a gate per
# slot below the bus: a part whose gate is closed does not acknowledge. Gates move between transfers; what a pull at any
# byte of one does is shown with simulated lines, on the host.

import _mps2
import errno
import machine


class GatedBus:
    """machine.I2C's methods. muxes: addresses of pca9548s; slot 8 * i + channel is channel of muxes[i]."""

    def __init__(self, bus, muxes):
        self._bus = bus
        self._muxes = muxes
        self._open = bytearray(len(muxes))  # control register of each

    def _check(self, address):
        if address in self._muxes:
            return
        for i, control in enumerate(self._open):
            if control & ~_mps2.gates(i):
                raise OSError(errno.ENODEV)

    def _note(self, address, data):
        if address in self._muxes and len(data):
            self._open[self._muxes.index(address)] = data[-1]

    def scan(self):
        found = self._bus.scan()
        try:
            self._check(0)
        except OSError:
            found = [a for a in found if a in self._muxes]
        return found

    def readfrom(self, address, nbytes, stop=True):
        self._check(address)
        return self._bus.readfrom(address, nbytes, stop)

    def readfrom_into(self, address, buffer, stop=True):
        self._check(address)
        return self._bus.readfrom_into(address, buffer, stop)

    def writeto(self, address, buffer, stop=True):
        self._check(address)
        result = self._bus.writeto(address, buffer, stop)
        self._note(address, buffer)
        return result

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(bytes(v) for v in vector), stop)

    def readfrom_mem(self, address, memaddr, nbytes, *, addrsize=8):
        self._check(address)
        return self._bus.readfrom_mem(address, memaddr, nbytes, addrsize=addrsize)

    def readfrom_mem_into(self, address, memaddr, buffer, *, addrsize=8):
        self._check(address)
        return self._bus.readfrom_mem_into(address, memaddr, buffer, addrsize=addrsize)

    def writeto_mem(self, address, memaddr, buffer, *, addrsize=8):
        self._check(address)
        return self._bus.writeto_mem(address, memaddr, buffer, addrsize=addrsize)


def i2c(muxes, bus=3):
    """The bus that QEMU calls `i2c`, the last of four, and its lines (scl, sda)."""
    lines = machine.Pin(bus, 0), machine.Pin(bus, 1)
    return GatedBus(machine.SoftI2C(*lines, freq=400_000, timeout=10_000), muxes), lines


class Commands:
    """Lines of the second serial port, as lists of words."""

    def __init__(self):
        self._line = b""

    def next(self):
        while True:
            byte = _mps2.command()
            if byte < 0:
                return None
            if byte == 10:
                words, self._line = self._line.decode().split(), b""
                return words
            if len(self._line) < 200:
                self._line += bytes([byte])
