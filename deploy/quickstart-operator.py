"""An operator's morning as a story of one screen. Run by deploy/quickstart behind the main job; everything in it is real.

Two motherboards work since yesterday. Over night their publisher released an update that reads wrong below zero. Their
operator finds out what is plugged where, what was refused and why, yanks the release, and sees it avoided: where it runs,
where a board is plugged in, and where it lies in a cache without a server.
Ends with a traceback and exit code 1 at the first thing that did not happen.
"""

import json
import pathlib
import shutil
import sys

REPO = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402
from story import degrees, must, tell  # noqa: E402

THERMO = live.HARDWARE_ID
UNKNOWN = "hat:Somebody%20Else:0007"
COLD, WARM = -5250, 21500


def command(server, *words):
    """Shows what the operator types, and returns what mpyd answers as JSON."""
    shown = " ".join(str(word) for word in words)
    print(f"  $ mpyd {shown}", flush=True)
    return json.loads(server.admin(*words, "--json").stdout)


def driver(folder, version, change=("", "")):
    """The thermo driver as portable bytecode, with one change to its source."""
    source = folder / f"source-{version}"
    source.mkdir()
    text = (REPO / "tests/drivers/thermo/thermo.py").read_text()
    must(change[0] in text, "the change applies")
    (source / "thermo.py").write_text(text.replace(*change) + f"\n# {version}\n")
    return live.build_driver(source, folder / f"built-{version}", "thermo")["any"]


def image(folder, name, hardware_id):
    path = folder / f"{name}.eep"
    live.mpyd("eeprom", "build", "--hardware-id", hardware_id, "--revision", 3, "--out", path)
    return path


class Fleet:
    def __init__(self, server, folder):
        self.server, self.folder = server, folder
        self.thermo = image(folder, "thermo", THERMO)
        self.boards = {name: self.motherboard(name) for name in ("press", "oven")}

    def motherboard(self, name):
        identity = self.server.provision(name, self.folder / f"{name}-identity")
        board = live.Motherboard(self.folder / name, identity, sync_interval_ms=300, retry_max_ms=300)
        board.start()
        return board

    def stop(self):
        for board in self.boards.values():
            board.stop()


def yesterday(server, fleet, folder):
    """What the operator finds in the morning."""
    server.delegate(THERMO)
    server.publish(driver(folder, "1.0.0"))
    press, oven = fleet.boards["press"], fleet.boards["oven"]
    press.plug(0, fleet.thermo, sensor_mdeg=COLD)
    press.plug(1, image(folder, "unknown", UNKNOWN))
    oven.plug(0, fleet.thermo, sensor_mdeg=WARM)
    blank = folder / "blank.eep"
    blank.write_bytes(b"\xff" * 8192)
    oven.plug(2, blank)
    for board in (press, oven):
        board.wait_event("loaded", slot=0)
    press.wait_event("refused", slot=1)
    oven.wait_event("unidentified", slot=2)
    must(press.call(0, "temperature") == COLD, "the good release reads below zero")
    # The sign is lost.
    bad = driver(folder, "1.1.0", ("((value ^ 0x8000) - 0x8000 >> 4)", "(value >> 4)"))
    server.publish(bad, version="1.1.0")
    for board in (press, oven):
        board.wait_event("loaded", slot=0, count=2)
        board.wait_event("synced", count=board.count("synced") + 2)  # so that the server heard of it


def what_is_where(server):
    """What is plugged into which slot of which device, and what became of it."""
    found = {}
    for board in command(server, "inventory")["boards"]:
        version = board["loaded"] and board["loaded"]["version"]
        tell("", f"{board['device_name']:<6} slot {board['slot']}  {board['hardware_id'] or 'no ID':<30} {board['state']:<12} "
                 f"{version or board['error'] or ''}")
        found[board["device_name"], board["slot"]] = board | {"version": version}
    return found


def look_around(server, fleet):
    tell("morning", "what is plugged where, and what was refused?")
    found = what_is_where(server)
    must([found[name, 0]["version"] for name in ("press", "oven")] == ["1.1.0"] * 2, "both run the new release")
    must(found["press", 1]["error"] and found["oven", 2]["error"], "the server knows what was refused")
    why = command(server, "explain", "--device", "press", "--hardware-id", UNKNOWN)
    tell("refused", f"press slot 1: {why['message']}")
    must(why["chosen"] is None and UNKNOWN in why["message"], "the server tells why")
    tell("", f"oven slot 2: a blank EEPROM, it {fleet.boards['oven'].find('unidentified', slot=2)[-1]['detail']}")
    reading = fleet.boards["press"].call(0, "temperature")
    tell("reads", f"press says {degrees(reading)} where it is {degrees(COLD)}: 1.1.0 lost the sign")
    must(reading != COLD, "the bad release reads wrong below zero")


def yank(server, fleet):
    said = command(server, "release", "yank", "--hardware-id", THERMO, "--version", "1.1.0")
    must(said["changed"] == 1, "one variant was yanked")
    for name, board in fleet.boards.items():
        loaded = board.wait_event("loaded", slot=0, count=3)
        must("1.0.0" in loaded["detail"], "the last good release is back")
        tell("running", f"{name} slot 0: {loaded['detail']} takes its place, unasked")
    reading = fleet.boards["press"].call(0, "temperature")
    tell("reads", f"press says {degrees(reading)}")
    must(reading == COLD, "the readings are right again")


def avoid_on_plug(fleet):
    press = fleet.boards["press"]
    press.plug(3, fleet.thermo, sensor_mdeg=WARM)
    loaded = press.wait_event("loaded", slot=3)
    must("1.0.0" in loaded["detail"], "a board that is plugged in gets the good release")
    tell("plugged", f"press slot 3: {loaded['detail']}")


def avoid_in_cache(server, fleet):
    oven = fleet.boards["oven"]
    packages = len(list(oven.cache.glob("p-*")))
    must(packages == 2, f"both releases lie in the oven's cache, not {packages}")
    server.stop()
    oven.stop()
    oven.start()
    loaded = oven.wait_event("loaded", slot=0)
    must("1.0.0" in loaded["detail"], "the cache gives the good release")
    tell("cached", "the server is away, and oven starts anew with both releases in its cache:")
    tell("", f"slot 0: {loaded['detail']}; it reads {degrees(oven.call(0, 'temperature'))}")
    server.start()


def look_again(server):
    said = command(server, "explain", "--device", "press", "--hardware-id", THERMO, "--revision", 3)
    must(said["chosen"]["version"] == "1.0.0", "the good release is chosen")
    (why,) = [each["reason"] for each in said["rejected"] if each["version"] == "1.1.0"]
    tell("explained", f"1.0.0 is chosen; 1.1.0 is not: {why}")
    (entry, *_) = [each for each in command(server, "audit", "--limit", 50)["events"] if each["action"] == "yank"]
    tell("audited", f"{entry['actor']} did {entry['action']} of {entry['subject']}")


def main():
    folder = live.temporary_folder()
    print("\nmpyd, second act: an operator's morning\n")
    server = fleet = None
    try:
        server = live.Server(folder).start()
        fleet = Fleet(server, folder)
        yesterday(server, fleet, folder)
        look_around(server, fleet)
        yank(server, fleet)
        avoid_on_plug(fleet)
        avoid_in_cache(server, fleet)
        look_again(server)
        print("\nAll of it happened.")
    finally:
        try:
            if fleet:
                fleet.stop()
        finally:
            # Whatever became of the motherboards, no daemon stays behind.
            if server:
                server.stop()
    shutil.rmtree(folder)


main()
