"""The main job as a story of one screen. Run by deploy/quickstart; everything in it is real and checked.

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
OTHER = "hat:Meadow%20Instruments:0043"
CARRIER = "hat:Meadow%20Instruments:0044"  # whose boards bring their driver along
EEPROM_BYTES = 8192


def image(folder, name, hardware_id, *more):
    path = folder / f"{name}.eep"
    live.mpyd("eeprom", "build", "--hardware-id", hardware_id, "--revision", 3, "--out", path, *more)
    return path


def start_server(folder):
    server = live.Server(folder).start()
    status = json.loads(server.admin("trust", "show", "--root", server.root, "--json").stdout)
    tell("server", f"listens on 127.0.0.1:{server.ports[0]} for devices, :{server.ports[1]} for its operator")
    return server, status


def publish(server, folder):
    drivers = live.build_driver(REPO / "tests/drivers/thermo", folder / "native")
    for hardware_id in (THERMO, OTHER, CARRIER):
        server.delegate(hardware_id, "thermo")
    said = json.loads(server.publish(drivers["x64"], drivers["any"], more=("--json",)).stdout)
    server.publish(drivers["x64"], hardware_id=OTHER)
    tell("published", f"thermo 1.0.0 for {THERMO}, signed by its publisher and encrypted:")
    for package in said["packages"]:
        tell("", f"{package['abi']:<8} {package['bytes']:>6} bytes  {package['digest'][:16]}...")
    return drivers


def show_loaded(board, slot, count=1):
    chosen = board.wait_event("chosen", slot=slot, count=count)
    loaded = board.wait_event("loaded", slot=slot, count=count)
    tell("chosen", chosen["detail"])
    tell("loaded", f"{loaded['detail']} in {loaded['duration_ms']} ms after the plug")


def play_plug_and_pull(board, thermo_image):
    board.plug(0, thermo_image, sensor_mdeg=21500)
    identified = board.wait_event("identified", slot=0)
    tell("plugged", f"slot 0: {identified['detail']}")
    show_loaded(board, 0)
    first = board.call(0, "temperature")
    board.set_temperature(0, -5250)
    second = board.call(0, "temperature")
    tell("reads", f"{degrees(first)}; the sensor cools, and it reads {degrees(second)}")
    must((first, second) == (21500, -5250), "the readings follow the sensor")

    board.plug(1, thermo_image, sensor_mdeg=30000)
    tell("plugged", "slot 1: another of the same kind")
    show_loaded(board, 1)
    both = board.call(0, "temperature"), board.call(1, "temperature")
    tell("reads", f"slot 0 {degrees(both[0])}, slot 1 {degrees(both[1])}: two boards, one code in memory")
    must(both == (-5250, 30000), "two boards read independently")

    board.ask("keep", slot=0, name="handle")
    board.pull(0)
    board.wait_event("removed", slot=0)
    answer = board.ask("call_kept", name="handle", method="temperature")
    must(answer == {"oserror": live.ENODEV}, f"the pulled board's handle answers ENODEV, not {answer}")
    tell("pulled", "slot 0: the handle its application still holds answers ENODEV")


def play_attacks(server, wire, board, drivers, folder):
    wire.tamper = live.flip_in_package(bit=8 * 700)
    board.plug(2, image(folder, "other", OTHER), sensor_mdeg=20000)
    refused = board.wait_event("refused", slot=2)
    tell("tampered", "a bit flipped between server and slot 2's agent; the agent refuses:")
    tell("", f"{refused['error']}: {refused['detail']}")
    must(refused["error"] == "bad_digest", "a flipped bit is found by its digest")
    wire.tamper = None

    stranger = server.new_publisher("stranger")
    live.mpyd("pack", drivers["x64"], "--hardware-id", OTHER, "--name", "thermo", "--version", "9.9.9", "--release", 9,
              "--key", stranger, "--root", server.root, "--public", "--out-dir", folder)
    forged = image(folder, "forged", OTHER, "--package", next(folder.glob("thermo-9.9.9*.mpkg")))
    server.stop()
    board.plug(3, forged, sensor_mdeg=20000)
    refused = board.wait_event("refused", slot=3)
    tell("forged", "the server is away, and slot 3's EEPROM holds a stranger's package; the agent refuses:")
    tell("", f"{refused['error']}: {refused['detail']}")
    must(refused["error"] == "untrusted", "a stranger's package is refused")
    must(board.count("loaded", slot=2) + board.count("loaded", slot=3) == 0, "nothing of either ran")


def play_offline(board, thermo_image):
    board.plug(0, thermo_image, sensor_mdeg=18000)
    board.wait_event("loaded", slot=0, count=2)
    readings = board.call(0, "temperature"), board.call(1, "temperature")
    tell("offline", f"slot 0 plugged again: its driver comes from the cache. Slot 0 {degrees(readings[0])}, slot 1 {degrees(readings[1])}")
    must(readings == (18000, 30000), "cached drivers read without a server")


def make_carrier(server, drivers, folder):
    """An 8 KiB EEPROM with its own driver, sealed to the fleet; returns its image and the package's digest."""
    server.admin("trust", "fleet-key", "--out", folder / "fleet.pub")
    said = live.mpyd("pack", drivers["x64"], "--hardware-id", CARRIER, "--name", "thermo", "--version", "1.1.0", "--release", 1,
                     "--key", server.publisher, "--root", server.root, "--seal-to", folder / "fleet.pub", "--out-dir", folder, "--json")
    (package,) = json.loads(said.stdout)["packages"]
    carrier = image(folder, "carrier", CARRIER, "--package", package["file"], "--size", EEPROM_BYTES,
                    "--reserve", EEPROM_BYTES // 4)
    return carrier, package["digest"]


def play_board_with_its_driver(server, drivers, folder):
    carrier, digest = make_carrier(server, drivers, folder)
    identity = folder / "field-identity"
    server.admin("device", "provision", "--name", "field", "--out", identity, "--root", server.root, "--with-policy", CARRIER,
                 "--device-server", f"127.0.0.1:{server.port}")
    field = live.Motherboard(folder / "field", identity, sync_interval_ms=300, retry_max_ms=300)
    try:
        field.start()
        field.wait_event("synced")
        server.stop()
        play_carried(field, carrier)
        server.start()
        play_newer_release(server, field, drivers)
        play_revoked(server, field, digest)
        play_stored(server, field)
    finally:
        field.stop()


def play_carried(field, carrier):
    field.plug(0, carrier, sensor_mdeg=4000)
    loaded = field.wait_event("loaded", slot=0)
    tell("carried", f"network gone; a board with its driver in an {EEPROM_BYTES // 1024} KiB EEPROM is plugged into another motherboard:")
    tell("", f"{loaded['detail']}, opened with the fleet's key; it reads {degrees(field.call(0, 'temperature'))}")
    must("1.1.0" in loaded["detail"] and field.call(0, "temperature") == 4000, "the board's own driver runs without a network")


def play_newer_release(server, field, drivers):
    server.publish(drivers["x64"], hardware_id=CARRIER, version="1.2.0", more=("--release", "2"))
    loaded = field.wait_event("loaded", slot=0, count=2)
    tell("newer", f"network back: {loaded['detail']} takes its place")
    must("1.2.0" in loaded["detail"], "the newer release came over the network")


def lose_network_and_cache(server, field):
    """What is left is what the board brings."""
    field.stop()
    server.stop()
    for package in field.cache.glob("p-*"):
        package.unlink()
    field.start()


def play_revoked(server, field, digest):
    server.admin("trust", "revoke", "--hardware-id", CARRIER, "--digest", digest, "--key", server.keys / "targets.key", "--root",
                 server.root, "--yes")
    field.wait_event("synced", count=field.count("synced") + 2)
    lose_network_and_cache(server, field)
    refused = field.wait_event("refused", slot=0)
    tell("revoked", "the operator revokes what the EEPROM holds; the network goes, and the cache is lost; the agent refuses:")
    tell("", f"{refused['error']}: {refused['detail']}")
    must(refused["error"] == "revoked" and field.count("loaded") == 0, "a revoked release is not loaded from an EEPROM")


def play_stored(server, field):
    server.start()
    field.wait_event("loaded", slot=0)
    field.ask("evaluate", expression="agent.store(0)")
    stored = field.wait_event("stored", slot=0)
    must(not stored["error"], f"the driver is written to the board, not {stored}")
    tell("stored", f"network back; agent.store(0) writes the newer driver to the board's EEPROM in {stored['duration_ms']} ms")
    lose_network_and_cache(server, field)
    loaded = field.wait_event("loaded", slot=0)
    tell("", f"network and cache lost again: {loaded['detail']} comes from the board")
    must("1.2.0" in loaded["detail"], "what was stored on the board runs without network and cache")


def main():
    keep = "--keep" in sys.argv[1:]
    folder = live.temporary_folder()
    print("\nmpyd: a plugged-in board loads its native driver\n")
    server = board = None
    try:
        server, _ = start_server(folder)
        drivers = publish(server, folder)
        wire = live.Wire(server.port)
        identity = server.provision("bench", folder / "identity", port=wire.port)
        board = live.Motherboard(folder / "motherboard", identity, retry_max_ms=300)
        board.start()
        tell("motherboard", "MicroPython with the agent, enrolled as \"bench\"; 8 slots behind an I2C mux")
        thermo_image = image(folder, "thermo", THERMO)
        play_plug_and_pull(board, thermo_image)
        play_attacks(server, wire, board, drivers, folder)
        play_offline(board, thermo_image)
        server.start()
        board.wait_event("synced", count=board.count("synced") + 1)
        tell("server", "is back; the agent found it by itself")
        board.stop()
        play_board_with_its_driver(server, drivers, folder)
        if keep:
            server.start()
        print("\nAll of it happened.")
    finally:
        clean_up(server, board, folder, keep)


def clean_up(server, board, folder, keep):
    try:
        if board:
            board.stop()
    finally:
        # Whatever became of the motherboard, no daemon stays behind unasked.
        if server and not keep:
            server.stop()
    if keep and server and server.process:
        print(f"The server goes on as process {server.process.pid}; its operator's side is {server.url},\n"
              f"keys and token are in {server.keys}. End it with: kill {server.process.pid}")
    else:
        shutil.rmtree(folder)


main()
