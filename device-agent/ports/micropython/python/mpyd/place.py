# Where a board may sit.


class Place:
    """One slot: a channel of a multiplexer or the bus itself, and what is known of it beforehand.

    mux, channel   of a declared multiplexer; mux None: the bus itself
    address        at which the ID EEPROM answers: one, a pair (first, last), or None for 0x50..0x57. Boards that are
                   stacked on one bus, such as capes at 0x54..0x57, are a Place each, with an address of its own.
                   Drivers may write to all others: name the whole range of a part that answers at several
    width          8 or 16: the bits of the EEPROM's own addresses; None: found by reading
    current_ma     that this slot can feed; 0: not bounded
    presence       a function that is true while a board is there, such as a machine.Pin; of a line that the board
                   pulls low, machine.Signal(pin, invert=True). None: the bus is polled
    """

    def __init__(self, mux=None, channel=0, address=None, width=None, current_ma=0, presence=None):
        if width not in (None, 8, 16):
            raise ValueError("mpyd: an EEPROM has addresses of 8 or 16 bits")
        self.mux = mux
        self.channel = channel
        self.address = address
        self.width = width
        self.current_ma = current_ma
        self.presence = presence

    def addresses(self, default=None):
        """(first, last)"""
        address = self.address if self.address is not None else default
        if address is None:
            return 0x50, 0x57
        return (address, address) if isinstance(address, int) else tuple(address)


def places_of(slots, muxes):
    """A Place for each entry: a Place, (MUX, CHANNEL) or None. muxes: [(ADDRESS, CHANNELS)...]"""
    channels = [(mux, channel) for mux, count in muxes for channel in range(count)]
    places = []
    for slot in slots if slots else channels or [None]:
        place = slot if isinstance(slot, Place) else Place(*(slot or ()))
        if place.mux is not None and (place.mux, place.channel) not in channels:
            raise ValueError(
                "mpyd: slot ({}, {}) is no channel of a declared multiplexer".format(place.mux, place.channel)
            )
        places.append(place)
    return places
