import json
import micropython
import os
import select
import sys
import time
import mpyd


_USAGE = """micropython -m mpyd --bus DIR|/dev/i2c-N --identity FILE --cache DIR [OPTION...]

Runs the agent on a directory bus (see mpyd.DirBus) or a bus of Linux's and prints what happens, a line each, until
the end of standard input, Ctrl-C, or for some seconds.

  --mux ADDRESS         I2C address of a multiplexer; none: the bus itself is the only slot (default: 0x70 on a
                        directory bus, else none)
  --address A[-B]       where ID EEPROMs answer (default 0x50-0x57)
  --width 8|16          bits of the EEPROMs' own addresses (default: found by reading)
  --current MA          what all boards together may take (default: not bounded)
  --store               writes the driver of every board that has room for it to the board, which then brings it along
  --read NAME=METHOD    calls METHOD() of every running driver called NAME once a second and prints the result
  --json                JSON lines
  --for SECONDS         ends after so long, whatever standard input does
  --help                prints this
"""


_WITH_VALUE = ("--bus", "--identity", "--cache", "--mux", "--address", "--width", "--current", "--read", "--for")


class Usage(Exception):
    pass


class Refused(Exception):
    pass


def parse(args):
    options = {"--read": []}
    args = iter(args)
    for name in args:
        if name in ("--json", "--store"):
            options[name] = True
            continue
        if name not in _WITH_VALUE:
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


def check_files(options):
    """By name, which an OSError has not. A folder that is not there would look like a bus with no boards on it."""
    named = [("--identity", "file")]
    if not is_device(options["--bus"]):
        named.append(("--bus", "folder"))
    for name, what in named:
        try:
            os.stat(options[name])
        except OSError:
            raise Refused("{} {}: there is no such {}".format(name, options[name], what))


def is_device(path):
    return path.startswith("/dev/")


def make_bus(options):
    """The bus and the address of its multiplexer, None if there is none."""
    path = options["--bus"]
    mux = options.get("--mux", "none" if is_device(path) else "0x70")
    mux = None if mux == "none" else int(mux, 0)
    try:
        return mpyd.DevBus(path) if is_device(path) else mpyd.DirBus(path, mux), mux
    except OSError as e:
        raise Refused("--bus {}: {}".format(path, e))


def make_slots(options, mux):
    """None: what the agent makes of the multiplexer by itself."""
    width = int(options["--width"]) if "--width" in options else None
    if width is None:
        return None
    return [mpyd.Place(mux, channel, width=width) for channel in range(8 if mux is not None else 1)]


def addresses(options):
    if "--address" not in options:
        return None
    first, _, last = options["--address"].partition("-")
    return int(first, 0), int(last or first, 0)


class Runner:
    def __init__(self, options):
        self._as_json = "--json" in options
        self._stores = "--store" in options
        self._to_store = []  # slots
        self._reads = options["--read"]
        self._next_read_ms = time.ticks_ms()
        self._drivers = {}  # slot -> name
        bus, mux = make_bus(options)
        self._agent = mpyd.Agent(
            bus,
            identity=options["--identity"],
            cache=options["--cache"],
            muxes=() if mux is None else (mux,),
            slots=make_slots(options, mux),
            eeprom_address=addresses(options),
            current_ma=int(options.get("--current", "0")),
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
        if self._stores and event.kind == "loaded":
            self._to_store.append(event.slot)

    def _store_next(self):
        slot = self._to_store[0]
        try:
            self._agent.store(slot)
        except OSError:
            return  # another one is being written
        except ValueError as e:
            self._print("slot {:<3}not stored: {}".format(slot, e), {"event": "not_stored", "slot": slot, "detail": str(e)})
        self._to_store.pop(0)

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
                if self._to_store:
                    self._store_next()
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
    if "--help" in args or "-h" in args:
        sys.stdout.write(_USAGE)
        return 0
    try:
        options = parse(args)
        check_files(options)
        seconds = float(options["--for"]) if "--for" in options else None
        runner = Runner(options)
    except (Usage, Refused, ValueError, OSError) as e:
        sys.stderr.write("mpyd: {}\n".format(e))
        if isinstance(e, Usage):
            sys.stderr.write(_USAGE)
            return 2
        return 1
    micropython.kbd_intr(3)  # -m alone leaves Ctrl-C to the system, which would not detach the drivers
    runner.run(seconds)
    return 0


sys.exit(main(sys.argv[1:]))
