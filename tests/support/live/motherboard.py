# Runs in MicroPython: a motherboard whose application is driven by JSON lines on stdin. Public API only.
#   motherboard.py '{"bus": DIR, "identity": FILE, "cache": DIR, ...keyword arguments of mpyd.Agent}'
# A slot in "slots" is [MUX, CHANNEL], null or {arguments of mpyd.Place}.
# Prints one JSON object a line: {"event": kind, ...} as things happen, {"answer": ...} for each command.
import errno
import json
import select
import sys
import time

import mpyd


def say(**fields):
    print(json.dumps(fields))


class Buses:
    """Several folders as one bus, each behind a multiplexer of its own: the one that is open answers."""

    def __init__(self, path, muxes):
        self.buses = {mux: mpyd.DirBus("{}/{:02x}".format(path, mux), mux=mux) for mux in muxes}
        self.open = None

    def writeto(self, address, data, stop=True):
        if address in self.buses:
            if data[0]:
                self.open = self.buses[address]
            elif self.open is self.buses[address]:
                self.open = None
            return self.buses[address].writeto(address, data, stop)
        return self.__getattr__("writeto")(address, data, stop)

    def __getattr__(self, method):
        if self.open is None:
            raise OSError(errno.ENODEV)
        return getattr(self.open, method)


class Application:
    def __init__(self, options):
        # A number of them: an argument of MicroPython's unix port is 255 bytes at most.
        muxes = list(range(0x70, 0x70 + options.pop("muxes", 1)))
        path = options.pop("bus")
        bus = Buses(path, muxes) if len(muxes) > 1 else mpyd.DirBus(path, mux=muxes[0] if muxes else None)
        if "slots" in options:
            options["slots"] = [mpyd.Place(**slot) if isinstance(slot, dict) else slot for slot in options["slots"]]
        self.agent = mpyd.Agent(bus, muxes=muxes, **options)
        self.kept = {}
        for kind in (
            "plugged", "identified", "unidentified", "chosen", "loaded", "refused", "removed",
            "synced", "offline", "trust_changed", "stored", "stuck",
        ):
            self.agent.on(kind, self.show)

    def show(self, event):
        say(event=event.kind, slot=event.slot, error=event.error, detail=event.detail,
            duration_ms=event.duration_ms)

    # Each command is a method; its result is the answer.
    def call(self, slot, method, args=()):
        return getattr(self.agent.slots[slot].device, method)(*args)

    def keep(self, slot, name):
        self.kept[name] = self.agent.slots[slot].device
        return True

    def call_kept(self, name, method, args=()):
        return getattr(self.kept[name], method)(*args)

    def slots(self):
        return [
            {"state": s.state, "error": str(s.error) if s.error else None,
             "hardware_id": s.board.hardware_id if s.board else None, "current_ma": s.current_ma}
            for s in self.agent.slots
        ]

    def store(self, slot):
        self.agent.store(slot)
        return True

    def memory(self):
        import gc
        gc.collect()
        return gc.mem_alloc()

    def modules(self):
        return sorted(sys.modules.keys())

    def evaluate(self, expression):
        return eval(expression, {"agent": self.agent, "mpyd": mpyd, "sys": sys})

    def run(self):
        poller = select.poll()
        poller.register(sys.stdin, select.POLLIN)
        while True:
            wait = self.agent.poll()
            if poller.poll(0):
                line = sys.stdin.readline()
                if not line:
                    break
                self.obey(json.loads(line))
            elif wait:
                time.sleep_ms(min(wait, 10))
        self.agent.stop()

    def obey(self, command):
        try:
            answer = getattr(self, command.pop("do"))(**command)
            say(answer=answer)
        except OSError as e:
            say(oserror=e.errno)
        except Exception as e:
            say(exception=repr(e))


Application(json.loads(sys.argv[1])).run()
