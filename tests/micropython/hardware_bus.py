# For the tests that count memory, in build/micropython-unix-test.

import mpyd
import mpyd_test


class HardwareBus(mpyd.DirBus):
    """What stands for the hardware needs no memory of MicroPython's."""

    def _write(self, address, data, stop):
        mpyd_test.hold(True)
        try:
            super()._write(address, data, stop)
        finally:
            mpyd_test.hold(False)

    def _read(self, address, count):
        mpyd_test.hold(True)
        try:
            return super()._read(address, count)
        finally:
            mpyd_test.hold(False)
