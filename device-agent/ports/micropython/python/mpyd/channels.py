# One I2C bus shared by all slots: channel selection, and one transfer at a time.

import errno
from .place import places_of
from .recover import clock_out
from .slot_bus import SlotBus

try:
    from _thread import allocate_lock, get_ident
    from time import sleep_ms
except ImportError:

    class allocate_lock:
        def acquire(self):
            pass

        def release(self):
            pass

    def get_ident():
        return 1


_EBUSY = 16  # most ports have no name for it
_ALL_CLOSED = b"\x00"
_NONE_OPEN = 0
_PATIENCE = 20  # milliseconds or polls that others wait for a driver to end what it holds open


class Channels:
    """The core's I2C port: slots are the channels of the declared multiplexers, or the bus itself."""

    def __init__(self, bus, muxes=(), slots=None, address=None, recover=None):
        declared = [mux if isinstance(mux, tuple) else (mux, 8) for mux in muxes]
        for _, count in declared:
            if not 1 <= count <= 8:
                raise ValueError("mpyd: a multiplexer has 1 to 8 channels")
        self.muxes = [mux for mux, _ in declared]
        self.places = places_of(slots, declared)
        self._address = address
        self._check_addresses()
        self._bus = bus
        self._lock = allocate_lock()
        self._user = None  # the thread in the middle of a transfer
        self._open = None  # the one multiplexer with an open channel; None: not known
        self._held = None  # the slot whose last transfer ended without STOP
        self._holder = None  # and the thread that did that
        self._gave_way = 0
        self._lines = None if recover is None or callable(recover) else recover
        self._recover = recover
        if any(place.presence for place in self.places):
            self.presence = self._presence  # the core asks whether there is such a method

    def __len__(self):
        return len(self.places)

    def _check_addresses(self):
        for i, place in enumerate(self.places):
            first, last = self.addresses(i)
            if not 0x08 <= first <= last <= 0x77 or last - first > 7:
                raise ValueError("mpyd: an ID EEPROM answers at 1 to 8 addresses in 0x08..0x77")
            for other in self.neighbours(i):
                other_first, other_last = self.addresses(other)
                if first <= other_last and other_first <= last:
                    raise ValueError(
                        "mpyd: the ID EEPROMs of slots {} and {} would answer at the same address".format(i, other)
                    )

    def addresses(self, slot):
        return self.places[slot].addresses(self._address)

    def neighbours(self, slot):
        """The slots whose ID EEPROMs a transfer on this slot's channel reaches, too."""
        place = self.places[slot]
        for i, other in enumerate(self.places):
            # What sits on the bus itself is reached through every channel.
            if i != slot and (other.mux is None or (other.mux, other.channel) == (place.mux, place.channel)):
                yield i

    def for_core(self):
        """(first address, last address, address bytes, current_ma) per slot"""
        return [
            self.addresses(i) + ((place.width or 0) // 8, place.current_ma) for i, place in enumerate(self.places)
        ]

    def bus_of(self, slot, core):
        return SlotBus(self, slot, core)

    # --- one at a time ---

    def gives_way(self):
        """Whether the agent should leave the bus alone for now: a driver is using it, or holds it open."""
        if self._user == get_ident():
            return True  # called from a timer or the like, in the middle of a transfer
        if self._held is None or self._gave_way >= _PATIENCE:
            return False
        self._gave_way += 1
        return True

    def _check_not_inside(self):
        if self._user == get_ident():
            # Waiting for what this has interrupted would be waiting for ever.
            raise OSError(_EBUSY)

    def _take(self, slot):
        # Takes no memory: where there is none, the lock must not stay behind.
        me = get_ident()
        patience = _PATIENCE
        while True:
            self._lock.acquire()
            self._user = me
            if self._held is None or self._held == slot or self._holder == me or not patience:
                return
            patience -= 1
            self._give()
            sleep_ms(1)

    def _give(self):
        if self._user == get_ident():
            self._user = None
            self._lock.release()

    def _select(self, slot):
        held, self._held = self._held, None
        if held == slot:
            return
        if held is not None and hasattr(self._bus, "end"):
            self._bus.end()
        place = self.places[slot]
        opened, self._open = self._open, None
        for mux in self.muxes:
            # Two open channels would be one bus.
            if mux != place.mux and opened in (None, mux):
                self._bus.writeto(mux, _ALL_CLOSED)
        if place.mux is None:
            self._open = _NONE_OPEN
        else:
            self._bus.writeto(place.mux, bytes([1 << place.channel]))
            self._open = place.mux

    # --- called by the core ---

    def transfer(self, slot, address, out, into):
        bus = self._bus
        self._check_not_inside()
        try:
            self._take(slot)
            # Only here: a driver that holds the bus again and again must not keep the agent waiting for ever.
            self._gave_way = 0
            # Where the data line hangs, every part seems to answer.
            if self._lines and self._held is None and not self._lines[1]():
                raise OSError(_EBUSY)
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
        finally:
            self._give()

    def _presence(self, slot):
        presence = self.places[slot].presence
        if presence is None:
            raise OSError(errno.EOPNOTSUPP)
        return bool(presence())

    def recover(self, slot):
        if self._recover is None:
            raise OSError(errno.EOPNOTSUPP)
        self._check_not_inside()
        try:
            self._take(slot)
            self._open = self._held = None
            if self._lines:
                clock_out(*self._lines)
            else:
                self._recover()
        finally:
            self._give()

    # --- called by SlotBus ---

    def call(self, slot, name, args, kwargs, stop=True):
        """A method of the bus, on the slot's channel."""
        self._check_not_inside()
        try:
            self._take(slot)
            self._select(slot)
            result = getattr(self._bus, name)(*args, **kwargs)
            if not stop:
                self._held = slot
                self._holder = get_ident()
            return result
        finally:
            self._give()
