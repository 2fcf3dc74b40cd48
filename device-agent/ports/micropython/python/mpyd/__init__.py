# mpyd: drivers for plug-in boards arrive, are verified, loaded and unloaded by themselves.
#
#   agent = mpyd.Agent(machine.I2C(0), muxes=[0x70])
#   agent.on("loaded", lambda event: print(event))
#   asyncio.create_task(agent.run())          # or call agent.poll() now and then
#   thermo = agent.find("hat:Meadow%20Instruments:0042")
#   print(thermo.temperature())               # OSError(ENODEV) once the board is gone

import _mpyd
from _mpyd import kept_modules
import errno
import os
import sys
from .board import Board
from .channels import Channels
from .host import Host
from .net import SocketTransport
from .place import Place
from .recover import clock_out
from .store import FileStore, factory_reset

try:
    from .devbus import DevBus
    from .dirbus import DirBus
except ImportError:
    pass  # neither an operating system nor a file system for people

# EventKind of device-agent/core/ports.hpp, in its order, from 1.
EVENTS = (
    "plugged",
    "identified",
    "unidentified",
    "chosen",
    "loaded",
    "refused",
    "removed",
    "synced",
    "offline",
    "trust_changed",
    "stored",
    "stuck",
)
# From this side: a driver raised outside attach(), and what a driver told through board.log().
EXTRA_EVENTS = ("driver_error", "log")


class Event:
    def __init__(self, kind, slot=None, error=None, detail="", duration_ms=0):
        self.kind = kind
        self.slot = slot  # None: not about a slot
        self.error = error  # the name of the reason, e.g. "bad_signature"
        self.detail = detail
        self.duration_ms = duration_ms

    def __str__(self):
        text = "agent   " if self.slot is None else "slot {:<3}".format(self.slot)
        text += self.kind
        if self.detail:
            text += " " + self.detail
        if self.error:
            text += " [" + self.error + "]"
        if self.kind == "loaded":
            text += " in {} ms".format(self.duration_ms)
        return text


class AgentError:
    def __init__(self, name, detail):
        self.name = name  # of errc.hpp
        self.detail = detail  # one sentence

    def __str__(self):
        return self.detail


class Slot:
    """One place for a board. `board` and `device` are None unless a driver is running."""

    def __init__(self, agent, core, index):
        self._agent = agent
        self._core = core
        self._told = None, ""  # the last error that was told, and its sentence
        self.index = index
        self.board = None
        self.device = None

    @property
    def state(self):
        return self._core.slot(self.index)[0]

    @property
    def hardware_id(self):
        return self._core.slot(self.index)[2]

    @property
    def layout(self):
        """Of the ID EEPROM: "hat", "hexpansion", "cape" ...; None: no board was identified."""
        return self._core.slot(self.index)[5]

    @property
    def current_ma(self):
        """What the board says it takes; 0: it says nothing."""
        return self._core.slot(self.index)[6]

    def store(self):
        """Agent.store() of this slot."""
        self._agent.store(self)

    @property
    def error(self):
        number = self._core.slot(self.index)[1]
        if not number:
            return None
        name = _mpyd.error_name(number)
        told, detail = self._told
        # Where memory is short, an event may be lost.
        return AgentError(name, detail if told == name else _mpyd.error_text(number))


def _read_identity(path):
    # On unix other people may be near; elsewhere files have no owners.
    if sys.platform in ("linux", "darwin") and os.stat(path)[0] & 0o077:
        raise ValueError("mpyd: others may read {}, which holds this device's secrets: chmod 600 {}".format(path, path))
    with open(path, "rb") as f:
        return f.read()


# A program that ends without stop() has not crashed: without this, three short runs would bring its drivers into
# quarantine. An agent that nobody holds any more is not kept for that.
if hasattr(_mpyd, "stop_all"):
    _next_at_exit = None

    def _at_exit():
        _mpyd.stop_all()
        if _next_at_exit:
            _next_at_exit()

    _next_at_exit = sys.atexit(_at_exit)


class Agent:
    """Watches the slots of one I2C bus.

    bus        machine.I2C, SoftI2C, or any object with their methods; on unix mpyd.DevBus("/dev/i2c-1") or mpyd.DirBus
    identity   what `mpyd device provision` wrote: a path or its bytes
    cache      a folder for packages and state; must survive a reset and rename atomically
    muxes      I2C multiplexers of the pca9548 kind, each ADDRESS or (ADDRESS, CHANNELS); a slot per channel
    slots      others than that: a list of (MUX ADDRESS, CHANNEL), None (the bus itself), or mpyd.Place(...), which can
               say more: addresses, address width, current, presence line
    current_ma what all boards together may take; 0: not bounded
    recover    frees a bus whose data line hangs: the pins (scl, sda) of a SoftI2C, or a function that does what the
               hardware wants, such as mpyd.clock_out(scl, sda) and making the pins the bus's own again
    eeprom_address  where ID EEPROMs answer whose Place says nothing, an address or (first, last); None: 0x50..0x57
    watchdog   an object with feed(), called between bounded steps
    times_ms   probe_interval_ms, sync_interval_ms, ... as in Config of device-agent/core/agent.hpp; trial_ms is how long
               a driver lives before it is trusted with the motherboard: see Quarantine in device-agent/README.md

    `error` says why the server does not answer, or does not want this device; None while it does. slots[i].error says
    the same of a board: "quarantined", "revoked", "expired" ...
    """

    def __init__(
        self,
        bus,
        identity="/mpyd/identity",
        cache="/mpyd/cache",
        muxes=(),
        slots=None,
        *,
        net=None,
        store=None,
        watchdog=None,
        firmware=None,
        eeprom_address=None,
        current_ma=0,
        recover=None,
        message_bytes=4096,
        **times_ms,
    ):
        self._listeners = {}
        self._events = []
        self._raised = {}
        self._channels = Channels(bus, muxes, slots, eeprom_address, recover)
        self._core = _mpyd.Agent(
            Host(self, watchdog),
            self._channels,
            net or SocketTransport(),
            store or FileStore(cache),
            self._channels.for_core(),
            (firmware or sys.implementation[0] + " " + sys.version)[:64],
            message_bytes,
            current_ma,
            **times_ms,
        )
        self.slots = tuple(Slot(self, self._core, i) for i in range(len(self._channels)))
        self.error = None  # why the server does not answer, or does not want this device; None: it did
        if isinstance(identity, str):
            identity = _read_identity(identity)
        self._core.start(identity)
        self.is_running = True

    def poll(self):
        """One bounded step. Returns for how many milliseconds nothing needs doing."""
        if self._channels.gives_way():
            return 1
        try:
            return self._core.poll()
        finally:
            self._tell()

    async def run(self):
        """Polls until stop()."""
        from asyncio import sleep_ms

        while self.is_running:
            await sleep_ms(self.poll())

    def stop(self):
        """Detaches and unloads all drivers. The agent cannot be started again."""
        if self.is_running:
            self.is_running = False
            self._core.stop()
            self._tell()

    def store(self, slot):
        """Begins to write the driver that runs in this slot (a number or a Slot) to its board, which then brings it along.

        The event "stored" tells how that ended. Raises OSError(EAGAIN) while another one is being written or the board is
        still being looked at, and ValueError with the reason if there is nothing to store or no room for it.
        """
        index = slot.index if isinstance(slot, Slot) else slot
        number = self._core.store(index)
        if number:
            name = _mpyd.error_name(number)
            if name == "conflict":
                raise OSError(errno.EAGAIN)
            raise ValueError(
                "mpyd: cannot store the driver of slot {}: {}: {}".format(index, name, _mpyd.error_text(number))
            )

    def find_all(self, hardware_id):
        """The devices of all running boards with this hardware ID."""
        return [s.device for s in self.slots if s.device is not None and s.hardware_id == hardware_id]

    def find(self, hardware_id):
        """The device of the first running board with this hardware ID, or None."""
        devices = self.find_all(hardware_id)
        return devices[0] if devices else None

    def on(self, event, f):
        """Calls f(Event) whenever `event` happens; "*" is every event. Exceptions in f are printed."""
        if event != "*" and event not in EVENTS and event not in EXTRA_EVENTS:
            raise ValueError("mpyd: no event " + repr(event))
        self._listeners.setdefault(event, []).append(f)

    # From here: called by Host, inside the core. Listeners are called when the core has returned, so
    # that they may do anything, stop() included.

    def _tell(self):
        # Takes no memory itself: poll() must not fail because there is none.
        while self._events:
            event = self._events.pop(0)
            self._tell_to(self._listeners.get(event.kind, ()), event)
            self._tell_to(self._listeners.get("*", ()), event)

    def _tell_to(self, listeners, event):
        for f in listeners:
            try:
                f(event)
            except Exception as e:
                sys.print_exception(e)

    def _happened(self, kind, slot, error, detail, duration_ms):
        if slot is not None and error:
            # Why a driver raised is known here, not in the core.
            raised = self._raised.get(slot) or self._raised.get(None)
            if raised and error in ("driver_error", "load_error"):
                detail = raised
            self.slots[slot]._told = error, detail
        if kind == "offline":
            self.error = AgentError(error, detail)
        elif kind == "synced":
            self.error = None
        self._events.append(Event(kind, slot, error, detail, duration_ms))
        # Last: a call that met the end of memory is repeated.
        if slot is not None and error:
            self._raised.pop(slot, None)
            self._raised.pop(None, None)

    def _driver_raised(self, slot, where, exception):
        sys.print_exception(exception)
        text = "the driver raised in {}: {}".format(where, repr(exception))
        if where == "detach":
            self._events.append(Event("driver_error", slot, "driver_error", text))
        else:
            self._raised[slot] = text

    def _make_board(self, slot):
        board = Board(self._core, slot, self._channels.bus_of(slot, self._core), self._log)
        self.slots[slot].board = board
        return board

    def _log(self, slot, text):
        self._events.append(Event("log", slot, None, text))

    def _attached(self, slot, device):
        self.slots[slot].device = device

    def _detached(self, slot):
        self.slots[slot].device = None
        board = self.slots[slot].board
        if board is not None:
            board._remove()
            self.slots[slot].board = None
