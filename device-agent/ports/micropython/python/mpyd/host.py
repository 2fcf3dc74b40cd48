# What the core asks of the motherboard besides bus, network and storage.

import _mpyd
import os

try:
    import time
except ImportError:
    time = None

_SECONDS_1970_TO_2000 = 946684800
_CLOCK_IS_SET = 1700000000  # a clock before this was never set


class Host:
    def __init__(self, agent, watchdog):
        self._agent = agent
        if watchdog is not None:
            self.feed = watchdog.feed

    def unix_time(self):
        if time is None:
            return 0
        seconds = int(time.time())
        if time.gmtime(0)[0] == 2000:
            seconds += _SECONDS_1970_TO_2000
        return seconds if seconds >= _CLOCK_IS_SET else 0

    def entropy(self, buffer):
        buffer[:] = os.urandom(len(buffer))

    def event(self, kind, slot, error, detail, duration_ms):
        from . import EVENTS

        self._agent._happened(
            EVENTS[kind - 1],
            slot if slot != 255 else None,
            _mpyd.error_name(error) if error else None,
            detail,
            duration_ms,
        )

    def make_board(self, slot):
        return self._agent._make_board(slot)

    def attached(self, slot, device):
        self._agent._attached(slot, device)

    def detached(self, slot):
        self._agent._detached(slot)

    def raised(self, slot, where, exception):
        self._agent._driver_raised(slot if slot != 255 else None, where, exception)
