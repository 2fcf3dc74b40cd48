# Driver of a TMP105-class temperature sensor: the bytecode twin of thermo.c, same results.
#
# attach(board) -> an object with
#   temperature()                  milli-degrees Celsius
#   limits(low=None, high=None)    (low, high) in milli-degrees; sets those that are given
#   config()                       the configuration register
# Numbers are integers everywhere: no float crosses MicroPython's function table.

_ADDRESS = 0x48
_TEMPERATURE = 0
_CONFIG = 1
_LOW = 2
_HIGH = 3
_SHUTDOWN = 0x01
_BITS_12 = 0x60  # R1 R0 = 11: steps of 1/16 degree


def _from_register(value):
    # 12 bits with sign, left-aligned in 16.
    return ((value ^ 0x8000) - 0x8000 >> 4) * 125 // 2


def _to_register(mdeg):
    # To the nearest step, within what the register can say.
    steps = (mdeg * 2 + 62) // 125
    return (min(max(steps, -2048), 2047) & 0xFFF) << 4


class Thermo:
    def __init__(self, board):
        self.bus = board.bus
        self._write(_CONFIG, bytes([_BITS_12]))

    def _write(self, register, data):
        self.bus.writeto_mem(_ADDRESS, register, data)

    def _read16(self, register):
        data = self.bus.readfrom_mem(_ADDRESS, register, 2)
        return data[0] << 8 | data[1]

    def _write16(self, register, value):
        self._write(register, bytes([value >> 8, value & 0xFF]))

    def temperature(self):
        return _from_register(self._read16(_TEMPERATURE))

    def limits(self, low=None, high=None):
        if low is not None:
            self._write16(_LOW, _to_register(low))
        if high is not None:
            self._write16(_HIGH, _to_register(high))
        return _from_register(self._read16(_LOW)), _from_register(self._read16(_HIGH))

    def config(self):
        return self.bus.readfrom_mem(_ADDRESS, _CONFIG, 1)[0]

    def _shut_down(self):
        self._write(_CONFIG, bytes([_BITS_12 | _SHUTDOWN]))


def attach(board):
    return Thermo(board)


# Raises ENODEV when the sensor went with its board, which is as good as a shutdown.
def detach(thermo):
    thermo._shut_down()
