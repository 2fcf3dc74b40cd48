# What the emulated motherboard runs from its start: the agent, and a line of JSON for whatever happens. The second
# serial port takes commands: plug SLOT, pull SLOT, call SLOT METHOD [INTEGER...], memory,
# cycle SLOT COUNT, soft_reset, shut.

import _mps2
import errno
import gc
import json
import mps2
import mpyd
import time

SETTINGS = json.loads(_mps2.host_file("settings") or "{}")
CHANGE_MAX_MS = 30_000  # that a pull or a plug of `cycle` may take
MUXES = [0x70 + i for i in range(SETTINGS.get("muxes", 1))]


def tell(event, **values):
    values["event"] = event
    print(json.dumps(values))


def tell_event(event):
    values = {}
    for name in ("slot", "error", "detail", "duration_ms"):
        value = getattr(event, name)
        if value not in (None, "", 0) or name == "slot" and value == 0:
            values[name] = value
    tell(event.kind, **values)


def call(agent, slot, method, *args):
    try:
        value = getattr(agent.slots[slot].device, method)(*args)
    except Exception as e:
        return tell("called", slot=slot, method=method, raised=repr(e))
    tell("called", slot=slot, method=method, value=value)


def gate(slot, is_plugged):
    mux, channel = divmod(slot, 8)
    others = _mps2.gates(mux) & ~(1 << channel)
    _mps2.gates(mux, others | (1 << channel if is_plugged else 0))


def used_memory():
    gc.collect()
    return gc.mem_alloc()


def poll_until(agent, slot, state):
    start = time.ticks_ms()
    while agent.slots[slot].state != state:
        if time.ticks_diff(time.ticks_ms(), start) > CHANGE_MAX_MS:
            raise OSError(errno.ETIMEDOUT)
        agent.poll()


# The least over a second: what a request in flight holds for a moment is not the board's.
def settled_memory(agent):
    start = time.ticks_ms()
    least = used_memory()
    while time.ticks_diff(time.ticks_ms(), start) < 1000:
        for _ in range(20):
            agent.poll()
        least = min(least, used_memory())
    return least


# Pulls and plugs a board so often, and tells the memory in use after the tenth time and after the last.
def cycle(agent, slot, count):
    after_tenth = None
    try:
        for i in range(count):
            gate(slot, False)
            poll_until(agent, slot, "empty")
            gate(slot, True)
            poll_until(agent, slot, "running")
            if i == 9:
                after_tenth = settled_memory(agent)
    except OSError:
        return tell("error", slot=slot, detail="the board that was to be cycled does not load, or is not there")
    tell("cycled", slot=slot, count=count, after_tenth=after_tenth, after_last=settled_memory(agent))


def obey(agent, words):
    if words[0] in ("plug", "pull"):
        gate(int(words[1]), words[0] == "plug")
    elif words[0] == "cycle":
        cycle(agent, int(words[1]), int(words[2]))
    elif words[0] == "call":
        call(agent, int(words[1]), words[2], *(int(word, 0) for word in words[3:]))
    elif words[0] == "memory":
        tell("memory", used=used_memory(), free=gc.mem_free())
    elif words[0] == "soft_reset":
        agent.stop()
        raise SystemExit
    elif words[0] == "shut":
        agent.stop()
        _mps2.exit(0)


def try_to_obey(agent, words):
    try:
        obey(agent, words)
    except (ValueError, IndexError) as e:
        tell("error", detail=repr(e))


def run():
    tell("started")
    identity = _mps2.host_file("identity")
    if identity is None:
        return tell("error", detail="there is no identity")
    _mps2.set_gates(bytes(SETTINGS.get("gates", [])))
    _mps2.watchdog(5000)
    bus, lines = mps2.i2c(MUXES)
    agent = mpyd.Agent(
        bus,
        identity=identity,
        cache="/cache",
        muxes=MUXES,
        recover=lines,
        watchdog=_mps2,
        **SETTINGS.get("agent", {}),
    )
    agent.on("*", tell_event)
    commands = mps2.Commands()
    address = None
    while True:
        wait_ms = agent.poll()
        if address is None:
            address = _mps2.address()
            if address:
                tell("address", detail=address)
        words = commands.next()
        if words:
            try_to_obey(agent, words)
        elif wait_ms:
            time.sleep_ms(min(wait_ms, 10))


run()
