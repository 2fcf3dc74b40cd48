# What a driver gets: attach(board).

_CONFIG_MAX = 1024


class Board:
    def __init__(self, core, slot, bus, address, log):
        _, _, self.hardware_id, self.revision, self.serial = core.slot(slot)
        self.slot = slot
        self.bus = bus
        self.address = address  # of the ID EEPROM
        self._core = core
        self._log = log
        self._config = None

    @property
    def config(self):
        """The configuration data on the ID EEPROM, b"" if there is none."""
        if self._config is None:
            self.bus._check()
            buffer = bytearray(_CONFIG_MAX)
            self._config = bytes(buffer[: self._core.read_config(self.slot, buffer)])
        return self._config

    def log(self, *args):
        self._log(self.slot, " ".join(str(a) for a in args))

    def _remove(self):
        self.bus._remove()
