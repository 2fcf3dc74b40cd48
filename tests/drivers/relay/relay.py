# Driver of eight relays behind a MAX7310-class GPIO expander: the bytecode twin of relay.c, same results.
#
# attach(board) -> an object with
#   set(number, on)     switches relay 0 to 7, the others stay
#   get(number)         True if it is on
#   state([mask])       all of them as bits, relay 0 lowest; switches all of them if a mask is given
# What is on stands in the part alone, so two users of one board see the same. All are off at the start and at the end.

_ADDRESS = 0x18
_OUTPUT = 1
_POLARITY = 2
_CONFIG = 3
_RELAYS = 8


def _bit(number):
    if not 0 <= number < _RELAYS:
        raise ValueError("relay: the relays are 0 to 7")
    return 1 << number


class Relay:
    # All off before the pins become outputs, so that no relay clicks while it is attached.
    def __init__(self, board):
        self.bus = board.bus
        self._write(_OUTPUT, 0)
        self._write(_POLARITY, 0)
        self._write(_CONFIG, 0)

    def _write(self, register, value):
        self.bus.writeto_mem(_ADDRESS, register, bytes([value]))

    def _read_output(self):
        return self.bus.readfrom_mem(_ADDRESS, _OUTPUT, 1)[0]

    def set(self, number, on):
        bit = _bit(number)
        others = self._read_output() & ~bit
        self._write(_OUTPUT, others | bit if on else others)

    def get(self, number):
        bit = _bit(number)
        return bool(self._read_output() & bit)

    def state(self, *mask):
        if mask:
            (value,) = mask
            if not 0 <= value < 1 << _RELAYS:
                raise ValueError("relay: a state is 0 to 255")
            self._write(_OUTPUT, value)
        return self._read_output()

    def _all_off(self):
        self._write(_OUTPUT, 0)


def attach(board):
    return Relay(board)


# All off, and the pins stay outputs that hold them off. Raises ENODEV when the relays went with their board, which
# is as good.
def detach(relay):
    relay._all_off()
