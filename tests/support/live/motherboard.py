# Runs in MicroPython: a motherboard whose application is driven by JSON lines on stdin. Public API only.
#   motherboard.py '{"bus": DIR, "identity": FILE, "cache": DIR, ...keyword arguments of mpyd.Agent}'
# Prints one JSON object a line: {"event": kind, ...} as things happen, {"answer": ...} for each command.
import json
import select
import sys
import time

import mpyd


def say(**fields):
    print(json.dumps(fields))


class Application:
    def __init__(self, options):
        bus = mpyd.DirBus(options.pop("bus"), mux=0x70)
        self.agent = mpyd.Agent(bus, muxes=[0x70], **options)
        self.kept = {}
        for kind in (
            "plugged", "identified", "unidentified", "chosen", "loaded", "refused", "removed",
            "synced", "offline", "trust_changed",
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
             "hardware_id": s.board.hardware_id if s.board else None}
            for s in self.agent.slots
        ]

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
