# What a driver gets: attach(board).

_CONFIG_MAX = 1024


class Board:
    def __init__(self, core, slot, bus, log):
        # The address is the ID EEPROM's, the lowest at which it answers.
        _, _, self.hardware_id, self.revision, self.serial, _, _, self.address, _, _ = core.slot(slot)
        self.slot = slot
        self.bus = bus
        self._core = core
        self._log = log
        self._config = None

    @property
    def config(self):
        """The configuration data on the ID EEPROM, b"" if there is none."""
        if self._config is None:
            self.bus._check(self.address)
            buffer = bytearray(_CONFIG_MAX)
            self._config = bytes(buffer[: self._core.read_config(self.slot, buffer)])
        return self._config

    def log(self, *args):
        self._log(self.slot, " ".join(str(a) for a in args))

    def _remove(self):
        self.bus._remove()
