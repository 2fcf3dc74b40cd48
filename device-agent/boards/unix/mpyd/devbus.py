# Linux's I2C buses, with the methods of machine.I2C.

import _mpyd
import errno

_WAITING_MAX = 6  # pieces written with stop=False; a transfer of the kernel's takes eight


class DevBus:
    """path: such as "/dev/i2c-1".

    A transfer is one call of the kernel, which ends it with STOP. So what is written with stop=False waits, and goes out
    with the next transfer, before a repeated START; whether it is acknowledged shows then. A read always ends with STOP.
    Raises OSError: ENODEV (no part answered), ETIMEDOUT, EIO and what else the adapter's driver says.
    """

    def __init__(self, path):
        # Transfers need not be writes to the file, but a bus one may only read is no use.
        self._file = open(path, "r+b")
        self._fd = self._file.fileno()
        self._waiting = []

    def _transfer(self, messages):
        waiting, self._waiting = self._waiting, []
        _mpyd.i2c_transfer(self._fd, waiting + messages)

    def end(self):
        """Sends what still waits, by itself: nobody else's transfer fails with it."""
        if self._waiting:
            try:
                self._transfer([])
            except OSError:
                pass

    def _address_of(self, memaddr, addrsize):
        return memaddr.to_bytes(addrsize // 8, "big")

    def scan(self):
        """What answers to its address alone; not every adapter can do that (EOPNOTSUPP)."""
        found = []
        for address in range(0x08, 0x78):
            try:
                self.writeto(address, b"")
                found.append(address)
            except OSError as e:
                if e.errno == errno.EOPNOTSUPP:
                    raise
        return found

    def writeto(self, address, buffer, stop=True):
        if stop:
            self._transfer([(address, buffer, False)])
        elif len(self._waiting) == _WAITING_MAX:
            raise OSError(errno.ENOBUFS)
        else:
            self._waiting.append((address, bytes(buffer), False))
        return len(buffer)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(bytes(v) for v in vector), stop)

    def readfrom(self, address, nbytes, stop=True):
        buffer = bytearray(nbytes)
        self.readfrom_into(address, buffer)
        return bytes(buffer)

    def readfrom_into(self, address, buffer, stop=True):
        self._transfer([(address, buffer, True)])

    def writeto_mem(self, address, memaddr, buffer, *, addrsize=8):
        self._transfer([(address, self._address_of(memaddr, addrsize) + bytes(buffer), False)])

    def readfrom_mem(self, address, memaddr, nbytes, *, addrsize=8):
        buffer = bytearray(nbytes)
        self.readfrom_mem_into(address, memaddr, buffer, addrsize=addrsize)
        return bytes(buffer)

    def readfrom_mem_into(self, address, memaddr, buffer, *, addrsize=8):
        self._transfer([(address, self._address_of(memaddr, addrsize), False), (address, buffer, True)])
