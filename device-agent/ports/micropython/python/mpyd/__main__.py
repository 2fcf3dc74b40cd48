import json
import micropython
import select
import sys
import time
import mpyd


_USAGE = """micropython -m mpyd --bus DIR --identity FILE --cache DIR [OPTION...]

Runs the agent on a directory bus (see mpyd.DirBus) and prints what happens, a line each, until the end of
standard input, Ctrl-C, or for some seconds.

  --mux ADDRESS         I2C address of a multiplexer (default 0x70; none: the folder itself is the only slot)
  --read NAME=METHOD    calls METHOD() of every running driver called NAME once a second and prints the result
  --json                JSON lines
  --for SECONDS         ends after so long, whatever standard input does
"""


class Usage(Exception):
    pass


def parse(args):
    options = {"--mux": "0x70", "--read": []}
    args = iter(args)
    for name in args:
        if name == "--json":
            options[name] = True
            continue
        if name not in ("--bus", "--identity", "--cache", "--mux", "--read", "--for"):
            raise Usage("unknown option " + name)
        try:
            value = next(args)
        except StopIteration:
            raise Usage(name + " needs a value")
        if name == "--read":
            driver, equals, method = value.partition("=")
            if not equals:
                raise Usage("--read wants NAME=METHOD")
            options[name].append((driver, method))
        else:
            options[name] = value
    for name in ("--bus", "--identity", "--cache"):
        if name not in options:
            raise Usage(name + " is missing")
    return options


class Runner:
    def __init__(self, options):
        self._as_json = "--json" in options
        self._reads = options["--read"]
        self._next_read_ms = time.ticks_ms()
        self._drivers = {}  # slot -> name
        mux = None if options["--mux"] == "none" else int(options["--mux"], 0)
        self._agent = mpyd.Agent(
            mpyd.DirBus(options["--bus"], mux),
            identity=options["--identity"],
            cache=options["--cache"],
            muxes=() if mux is None else (mux,),
        )
        self._agent.on("*", self._event)

    def _print(self, text, values):
        # One write: lines of several programs in one log stay whole.
        sys.stdout.write((json.dumps(values) if self._as_json else text) + "\n")

    def _event(self, event):
        if event.kind == "loaded":
            self._drivers[event.slot] = event.detail.split(" ")[0]
        elif event.kind == "removed":
            self._drivers.pop(event.slot, None)
        values = {"event": event.kind}
        for name in ("slot", "error", "detail", "duration_ms"):
            if getattr(event, name) not in (None, "", 0) or name == "slot" and event.slot == 0:
                values[name] = getattr(event, name)
        self._print(str(event), values)

    def _read_all(self):
        for slot, name in sorted(self._drivers.items()):
            for driver, method in self._reads:
                if driver != name:
                    continue
                try:
                    value = getattr(self._agent.slots[slot].device, method)()
                except OSError as e:
                    value = "OSError({})".format(e.errno)
                except Exception as e:  # the driver's, or no such method: the agent goes on
                    value = repr(e)
                self._print(
                    "slot {:<3}{}.{}() = {}".format(slot, name, method, value),
                    {"event": "read", "slot": slot, "driver": name, "method": method, "value": value},
                )

    def run(self, seconds):
        end_ms = None if seconds is None else time.ticks_add(time.ticks_ms(), int(seconds * 1000))
        stdin = select.poll()
        stdin.register(sys.stdin, select.POLLIN)
        try:
            while end_ms is None or time.ticks_diff(end_ms, time.ticks_ms()) > 0:
                wait_ms = self._agent.poll()
                if time.ticks_diff(time.ticks_ms(), self._next_read_ms) >= 0:
                    self._next_read_ms = time.ticks_add(time.ticks_ms(), 1000)
                    self._read_all()
                if end_ms is not None:
                    time.sleep_ms(min(wait_ms, 100))
                elif stdin.poll(wait_ms) and not sys.stdin.readline():
                    break
        except KeyboardInterrupt:
            pass
        finally:
            self._agent.stop()


def main(args):
    try:
        options = parse(args)
        seconds = float(options["--for"]) if "--for" in options else None
        runner = Runner(options)
    except (Usage, ValueError, OSError) as e:
        sys.stderr.write("mpyd: {}\n".format(e))
        if isinstance(e, Usage):
            sys.stderr.write(_USAGE)
            return 2
        return 1
    micropython.kbd_intr(3)  # -m alone leaves Ctrl-C to the system, which would not detach the drivers
    runner.run(seconds)
    return 0


sys.exit(main(sys.argv[1:]))
