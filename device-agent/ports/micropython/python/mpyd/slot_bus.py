# What the driver of one slot sees of the bus, and what it may do there.

import errno


class SlotBus:
    """machine.I2C as the driver of one slot sees it. Raises OSError(ENODEV) once the board is gone.

    Refused with EPERM: writing to ID EEPROMs, to multiplexers, and to reserved addresses (0x00 reaches every part, 0x78
    and up are 10-bit addresses, and some ports drop the bits above 0x7f).

    stop=False holds the bus for this slot: the agent waits for the end of such a transfer, though not for ever. Should
    another driver need the bus in between, that ends it, and this slot's next transfer begins with a new START on its
    own channel.
    """

    def __init__(self, channels, slot, core):
        self._channels = channels
        self._slot = slot
        self._gone = False
        first, last, address_bytes = core.slot(slot)[7:]
        self._was_read = core.eeprom_was_read
        # Per ID EEPROM that this channel reaches: first and last address, bits of its own addresses, slot. All addresses
        # count, blocks and mirrors too. Of a neighbour's the width is not known, so the short one must do.
        self._eeproms = [(first, last, 8 * address_bytes, slot)] if first else []
        self._eeproms += [channels.addresses(i) + (8, i) for i in channels.neighbours(slot)]

    def _check(self, address):
        if self._gone:
            raise OSError(errno.ENODEV)
        if not 0x08 <= address <= 0x77:
            raise OSError(errno.EPERM)

    def _check_write(self, address):
        self._check(address)
        # The board's identity is not the driver's, nor is what connects the slots.
        if address in self._channels.muxes:
            raise OSError(errno.EPERM)
        for first, last, _, _ in self._eeproms:
            if first <= address <= last:
                raise OSError(errno.EPERM)

    def _check_read(self, address, addrsize=0):
        self._check(address)
        # The address goes out as a write: more of it than a part takes would be data.
        if addrsize and address in self._channels.muxes:
            raise OSError(errno.EPERM)
        for first, last, width, slot in self._eeproms:
            if first <= address <= last:
                if addrsize > width:
                    raise OSError(errno.EPERM)
                self._was_read(slot)

    def _call(self, name, args, kwargs={}, stop=True):
        return self._channels.call(self._slot, name, args, kwargs, stop)

    def _remove(self):
        self._gone = True

    def scan(self):
        self._check(0x08)
        return [a for a in self._call("scan", ()) if a not in self._channels.muxes]

    def readfrom(self, address, nbytes, stop=True):
        self._check_read(address)
        return self._call("readfrom", (address, nbytes, stop), stop=stop)

    def readfrom_into(self, address, buffer, stop=True):
        self._check_read(address)
        return self._call("readfrom_into", (address, buffer, stop), stop=stop)

    def readfrom_mem(self, address, memaddr, nbytes, *, addrsize=8):
        self._check_read(address, addrsize)
        return self._call("readfrom_mem", (address, memaddr, nbytes), {"addrsize": addrsize})

    def readfrom_mem_into(self, address, memaddr, buffer, *, addrsize=8):
        self._check_read(address, addrsize)
        return self._call("readfrom_mem_into", (address, memaddr, buffer), {"addrsize": addrsize})

    def writeto(self, address, buffer, stop=True):
        self._check_write(address)
        return self._call("writeto", (address, buffer, stop), stop=stop)

    def writeto_mem(self, address, memaddr, buffer, *, addrsize=8):
        self._check_write(address)
        return self._call("writeto_mem", (address, memaddr, buffer), {"addrsize": addrsize})

    def writevto(self, address, vector, stop=True):
        self._check_write(address)
        return self._call("writevto", (address, vector, stop), stop=stop)
