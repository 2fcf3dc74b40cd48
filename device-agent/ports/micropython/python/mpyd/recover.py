# A bus whose data line hangs: a part that was interrupted in the middle of a byte pulls it low and waits for clocks.

import errno

try:
    from time import sleep_us
except ImportError:

    def sleep_us(us):
        pass  # without a clock the calls themselves take long enough


_HALF_US = 5  # 100 kHz
_STRETCH_US = 25000  # SMBus gives a part so long


def _release(scl):
    scl(1)
    for _ in range(_STRETCH_US // _HALF_US):
        sleep_us(_HALF_US)
        if scl():
            return
    raise OSError(errno.EIO)


def clock_out(scl, sda):
    """Up to nine clocks until the data line is free, then START and STOP. Raises OSError(EIO) if a line still hangs.

    scl, sda   open-drain pins with pull-ups, called like machine.Pin: pin(1) releases, pin(0) pulls low, pin() reads

    Never a STOP before the START: a part may just have taken a byte, and a STOP would make it keep that.
    """
    sda(1)
    _release(scl)
    for _ in range(9):
        if sda():
            break
        scl(0)
        sleep_us(_HALF_US)
        _release(scl)
    if not sda():
        raise OSError(errno.EIO)
    sda(0)
    sleep_us(_HALF_US)
    sda(1)
    sleep_us(_HALF_US)
