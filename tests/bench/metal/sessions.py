"""Sessions of the emulated motherboard with firmware that measures itself: a real daemon, real packages, QEMU."""

import pathlib
import shutil
import sys

REPO = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPO / "tests/support/live"), str(REPO / "tests/micropython")]
import big_driver  # noqa: E402
import live  # noqa: E402
import metal  # noqa: E402

SMALL = "hat:Meadow%20Instruments:0042"
LARGE = "hat:Meadow%20Instruments:0043"
# What is plugged, one after the other, each alone.
SESSIONS = (("small driver, from the server", 0), ("small driver, from the cache", 0), ("large driver, from the server", 1))
# One instruction is one nanosecond of the motherboard's time.
COUNTING = ("--qemu=-icount", "--qemu=shift=0")


class Bench:
    def __init__(self, firmware):
        self.firmware = firmware
        self.folder = live.temporary_folder()
        self.server = live.Server(self.folder).start()
        self.server.delegate(SMALL, "thermo")
        self.server.delegate(LARGE, "large")
        self.driver_bytes = {}
        self._publish(REPO / "tests/drivers/thermo", SMALL, "thermo")
        source = self.folder / "large"
        source.mkdir()
        (source / "large.c").write_text(big_driver.c_source())
        self._publish(source, LARGE, "large", "armv7m")

    def _publish(self, source, hardware_id, name, archs="armv7m,any"):
        files = metal.build_driver(source, self.folder / "native", archs)
        native = next(file for file in files if "armv7m" in file)
        self.driver_bytes[hardware_id] = pathlib.Path(native).stat().st_size
        self.server.publish(*files, hardware_id=hardware_id, name=name, version="1.0.0")

    def close(self):
        self.server.stop()
        shutil.rmtree(self.folder)

    def run(self, mode):
        """{session: [what it told]}; mode: cycles, stack or heap."""
        folder = self.folder / mode
        folder.mkdir()
        identity = metal.provision(self.server, mode, folder / "identity")
        slots = [metal.image(folder / f"{i}.eep", hardware_id) for i, hardware_id in enumerate((SMALL, LARGE))]
        more = ["--firmware", self.firmware, "--pulled", 0, "--pulled", 1, "--agent", "trial_ms=100"]
        more += COUNTING if mode == "cycles" else ("--qemu=-append", f"--qemu=measure={mode}")
        board = metal.MetalMotherboard(folder / "board", identity, [f"{slots[0]},tmp105@0x48", slots[1]], more).start()
        try:
            board.wait_event("synced", timeout_s=120)
            told = {name: self._session(board, slot) for name, slot in SESSIONS}
            board.stop()
            return told
        finally:
            if board.process:
                board.kill()

    def _session(self, board, slot):
        since = board.mark()
        board.tell("plug", slot)
        loaded = board.wait_event("loaded", slot, since, timeout_s=120)
        board.wait_event("synced", since=board.events.index(loaded), timeout_s=60)  # which reports it
        told = board.find("measured", since=since)
        since = board.mark()
        board.tell("pull", slot)
        board.wait_event("removed", slot, since)
        return {said["what"]: said for said in told}
