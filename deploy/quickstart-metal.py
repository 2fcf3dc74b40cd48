"""The main job on a microcontroller: a Cortex-M3 under QEMU. Run by deploy/quickstart --metal; everything is real and
checked, and ends with a traceback and exit code 1 at the first thing that did not happen.
"""

import pathlib
import shutil
import sys

REPO = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402
import metal  # noqa: E402
from story import degrees, must, tell  # noqa: E402

THERMO = "hat:Meadow%20Instruments:0042"
RELAY = "hat:Meadow%20Instruments:0043"
DESKTOP = "hat:Meadow%20Instruments:0044"


def publish(server, folder):
    native = {}
    for name, hardware_id, archs in (("thermo", THERMO, "armv7m"), ("relay", RELAY, "armv7m"), ("thermo", DESKTOP, "x64")):
        native[hardware_id] = metal.build_driver(REPO / "tests/drivers" / name, folder / "native", archs)
        server.delegate(hardware_id, name)
        server.publish(*native[hardware_id], hardware_id=hardware_id, name=name)
        tell("published", f"{name} 1.0.0 for {hardware_id}, {archs} only")
    return native


def tampered_image(server, folder, drivers):
    """A board whose EEPROM carries the very package the server has, with one bit flipped."""
    live.mpyd("pack", *drivers, "--hardware-id", THERMO, "--name", "thermo", "--version", "1.0.1", "--release", 2,
              "--key", server.publisher, "--root", server.root, "--public", "--out-dir", folder)
    package = next(folder.glob("thermo-1.0.1-*.mpkg"))
    bytes_ = bytearray(package.read_bytes())
    path = metal.image(folder / "tampered.eep", THERMO, "--package", package)
    image = bytearray(path.read_bytes())
    at = image.find(bytes(bytes_[-200:]))
    must(at > 0, "the image holds the package")
    image[at] ^= 1
    path.write_bytes(image)
    return path


def show(board, slot, what="loaded"):
    event = board.wait_event(what, slot, timeout_s=60)
    tell(f"slot {slot}", f"{event['detail']}" + (f" in {event['duration_ms']} ms" if what == "loaded" else f" [{event['error']}]"))
    return event


def main():
    folder = live.temporary_folder()
    print("\nmpyd: a Cortex-M3 motherboard, emulated whole\n")
    server = board = None
    try:
        server = live.Server(folder).start()
        tell("server", f"listens on 127.0.0.1:{server.port}")
        drivers = publish(server, folder)
        slots = [f"{metal.image(folder / 'thermo.eep', THERMO)},tmp105@0x48",
                 f"{metal.image(folder / 'relay.eep', RELAY)},max7310@0x18",
                 metal.image(folder / "desktop.eep", DESKTOP),
                 tampered_image(server, folder, drivers[THERMO])]
        identity = metal.provision(server, "metal", folder / "identity")
        board = metal.MetalMotherboard(folder / "board", identity, slots, ["--pulled", 2, "--pulled", 3]).start()
        board.wait_event("started")
        tell("motherboard", "Cortex-M3 with MicroPython and the agent; I2C multiplexer, EEPROMs, sensors, Ethernet")
        tell("network", f"DHCP gave it {board.wait_event('address')['detail']}")
        for slot in (0, 1):
            tell(f"slot {slot}", board.wait_event("identified", slot)["detail"])
            show(board, slot)
        play_drivers(board)
        play_refusals(server, board)
        board.stop()
        print("\nAll of it happened.")
    finally:
        if board and board.process:
            board.kill()
        if server:
            server.stop()
        shutil.rmtree(folder)


def play_drivers(board):
    readings = []
    for mdeg in (21500, -5250):
        board.set_temperature(0, mdeg)
        readings.append(board.call(0, "temperature"))
    must(readings == [21500, -5250], f"the driver reads what the sensor was set to, not {readings}")
    tell("thermo", f"reads {degrees(readings[0])}; the sensor cools, and it reads {degrees(readings[1])}")
    board.call(1, "set", 3, 1)
    must(board.call(1, "state") == 8, "relay 3 is on")
    tell("relay", "relay 3 switched on; the part says: on")


def play_refusals(server, board):
    board.tell("plug", 2)
    refused = show(board, 2, "refused")
    must(refused["error"] == "wrong_abi", "x64 code is not for a Cortex-M3")
    server.stop()
    tell("server", "is away now")
    board.tell("plug", 3)
    refused = show(board, 3, "refused")
    must(refused["error"] == "bad_digest", f"a flipped bit on an EEPROM is found, not {refused}")
    must(board.call(0, "temperature") == -5250, "the others go on")


main()
