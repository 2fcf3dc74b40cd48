# One I2C bus shared by all slots: channel selection, one transfer at a time, and what drivers may do.

import errno

try:
    from _thread import allocate_lock
except ImportError:

    class _NoLock:
        def __enter__(self):
            pass

        def __exit__(self, *exc):
            pass

    allocate_lock = _NoLock

_ALL_CLOSED = b"\x00"


class Channels:
    """The core's I2C port: slots are the channels of the declared multiplexers, or the bus itself."""

    def __init__(self, bus, muxes, slots):
        channels = []
        self.muxes = []
        for mux in muxes:
            address, count = mux if isinstance(mux, tuple) else (mux, 8)
            if not 1 <= count <= 8:
                raise ValueError("mpyd: a multiplexer has 1 to 8 channels")
            self.muxes.append(address)
            channels += [(address, channel) for channel in range(count)]
        for slot in slots or ():
            if tuple(slot) not in channels:
                raise ValueError("mpyd: slot {} is no channel of a declared multiplexer".format(slot))
        self._bus = bus
        # Per slot: the multiplexer's address and what to write to it. None: the bus itself.
        self._routes = [(m, bytes([1 << c])) for m, c in slots or channels] or [None]
        self._lock = allocate_lock()
        self._open = None  # the one multiplexer with an open channel; None: not known
        self._held = None  # the slot whose last transfer ended without STOP

    def __len__(self):
        return len(self._routes)

    def bus_of(self, slot, eeprom_address):
        return SlotBus(self, slot, eeprom_address)

    def _select(self, slot):
        held, self._held = self._held, None
        route = self._routes[slot]
        if route is None or held == slot:
            return
        mux, mask = route
        opened, self._open = self._open, None
        for other in self.muxes:
            # Two open channels would be one bus.
            if other != mux and (opened is None or opened == other):
                self._bus.writeto(other, _ALL_CLOSED)
        self._bus.writeto(mux, mask)
        self._open = mux

    def transfer(self, slot, address, out, into):
        bus = self._bus
        with self._lock:
            self._select(slot)
            if not len(into):
                bus.writeto(address, out)
            elif not len(out):
                bus.readfrom_into(address, into)
            elif len(out) <= 4:
                bus.readfrom_mem_into(address, int.from_bytes(out, "big"), into, addrsize=8 * len(out))
            else:
                bus.writeto(address, out, False)
                bus.readfrom_into(address, into)

    def call(self, slot, name, args, kwargs, stop=True):
        """A method of the bus, on the slot's channel."""
        with self._lock:
            self._select(slot)
            result = getattr(self._bus, name)(*args, **kwargs)
            if not stop:
                self._held = slot
            return result


class SlotBus:
    """machine.I2C as the driver of one slot sees it. Raises OSError(ENODEV) once the board is gone."""

    def __init__(self, channels, slot, eeprom_address):
        self._channels = channels
        self._slot = slot
        self._eeprom_address = eeprom_address
        self._gone = False

    def _check(self):
        if self._gone:
            raise OSError(errno.ENODEV)

    def _check_write(self, address):
        self._check()
        # The board's identity is not the driver's, nor is what connects the slots.
        if address == self._eeprom_address or address in self._channels.muxes:
            raise OSError(errno.EPERM)

    def _check_read_mem(self, address, addrsize):
        # The address goes out as a write: more of it than an EEPROM takes would be data.
        if addrsize > 16:
            self._check_write(address)
        self._check()

    def _call(self, name, args, kwargs={}, stop=True):
        return self._channels.call(self._slot, name, args, kwargs, stop)

    def _remove(self):
        self._gone = True

    def scan(self):
        self._check()
        return [a for a in self._call("scan", ()) if a not in self._channels.muxes]

    def readfrom(self, address, nbytes, stop=True):
        self._check()
        return self._call("readfrom", (address, nbytes, stop), stop=stop)

    def readfrom_into(self, address, buffer, stop=True):
        self._check()
        return self._call("readfrom_into", (address, buffer, stop), stop=stop)

    def readfrom_mem(self, address, memaddr, nbytes, *, addrsize=8):
        self._check_read_mem(address, addrsize)
        return self._call("readfrom_mem", (address, memaddr, nbytes), {"addrsize": addrsize})

    def readfrom_mem_into(self, address, memaddr, buffer, *, addrsize=8):
        self._check_read_mem(address, addrsize)
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
