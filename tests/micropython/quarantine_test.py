#!/usr/bin/python3
"""Drivers that take the motherboard down, with a real daemon and real MicroPython: the motherboard is restarted as its
watchdog would, and after three times the driver is quarantined, the other board's is not, and a new release clears it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support/live"))
import live  # noqa: E402

OTHER_ID = "hat:Meadow%20Instruments:0043"
SPINS = """
def attach(board):
    print("spinning")
    while True:
        pass
def detach(device):
    pass
"""
CRASHES = """
import uctypes
def attach(board):
    uctypes.bytearray_at(0, 8)[0] = 1
def detach(device):
    pass
"""
GOOD = """
class Device:
    def __init__(self, board):
        self.id = board.hardware_id
    def hello(self):
        return "hello"
def attach(board):
    return Device(board)
def detach(device):
    pass
"""
# Takes the motherboard down as long as a file is there.
SPINS_WHILE = """
import os
class Device:
    def __init__(self, board):
        pass
    def hello(self):
        return "hello"
def attach(board):
    try:
        os.stat({flag!r})
    except OSError:
        return Device(board)
    print("spinning")
    while True:
        pass
def detach(device):
    pass
"""
FAST = dict(sync_interval_ms=400, retry_max_ms=300, report_delay_ms=100, trial_ms=1500)


class Quarantine(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.server.delegate()
        self.server.delegate(hardware_id=OTHER_ID, name="good")
        self.publish("good", GOOD, OTHER_ID)
        identity = self.server.provision("motherboard", self.folder / "identity")
        self.board = live.Motherboard(self.folder / "motherboard", identity, **FAST)
        self.addCleanup(self.end)

    def publish(self, name, text, hardware_id=live.HARDWARE_ID, version="1.0.0"):
        folder = self.folder / f"{name}-{version}"
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        built = live.build_driver(folder, folder / "out", name)["any"]
        self.server.publish(built, hardware_id=hardware_id, name=name, version=version)

    def image(self, hardware_id):
        path = self.folder / f"{hardware_id[-4:]}.eep"
        live.mpyd("eeprom", "build", "--hardware-id", hardware_id, "--revision", 3, "--out", path)
        return path

    def end(self):
        if self.board.process:
            self.board.kill()

    def is_down(self):
        """Has the driver taken the motherboard down, or does it spin, which a watchdog ends?"""
        if self.board.process.poll() is None:
            if not any("spinning" in line for line in self.board.errors):
                return False
            self.board.process.kill()
        self.board.close()
        return True

    def quarantined(self):
        return next((e for e in self.board.events if e["event"] == "refused" and e["error"] == "quarantined"), None)

    def run_into_quarantine(self, text):
        self.publish("thermo", text)
        self.board.start()
        self.board.plug(0, self.image(live.HARDWARE_ID))
        self.board.plug(1, self.image(OTHER_ID))
        downs = 0
        while True:
            which = live.wait_for("the driver to end the motherboard, or to be quarantined",
                                  lambda: (self.is_down() and "down") or (self.quarantined() and "quarantined"), 30)
            if which == "quarantined":
                break
            downs += 1
            self.assertLessEqual(downs, 3)
            self.board.start()
        self.assertEqual(downs, 3)
        # The other board's driver is loaded and stays.
        self.board.wait_event("loaded", slot=1)
        self.assertEqual(self.board.call(1, "hello"), "hello")
        self.assertEqual(self.board.ask("evaluate", expression="agent.slots[0].error.name")["answer"], "quarantined")
        self.assertIn("another release", self.quarantined()["detail"])

    def story(self, text):
        self.run_into_quarantine(text)
        # A new release clears it; the motherboard was never restarted for that.
        self.publish("thermo", GOOD, version="1.1.0")
        loaded = self.board.wait_event("loaded", slot=0, timeout_s=30)
        self.assertIn("thermo 1.1.0", loaded["detail"])
        self.assertEqual(self.board.call(0, "hello"), "hello")
        self.board.stop()

    def test_a_driver_that_spins_in_attach_is_quarantined_after_three_resets(self):
        self.story(SPINS)

    def test_a_driver_that_crashes_the_process_is_quarantined_after_three_resets(self):
        self.story(CRASHES)

    def test_the_operators_try_again_waits_for_a_motherboard_that_is_off(self):
        flag = self.folder / "flag"
        flag.touch()
        self.run_into_quarantine(SPINS_WHILE.format(flag=str(flag)))
        shown = lambda: json.loads(self.server.admin("--json", "device", "show", "motherboard").stdout)["boards"]  # noqa: E731
        live.wait_for("the server to hear of it", lambda: any(b["error"] == "quarantined" for b in shown()))
        self.board.stop()
        flag.unlink()
        self.server.admin("device", "try-again", "motherboard", "--slot", 0)
        self.assertTrue(shown()[0]["try_again_pending"])
        self.assertIn("try-again pending", self.server.admin("device", "show", "motherboard").stdout)
        self.board.start()
        self.board.wait_event("loaded", slot=0, timeout_s=30)
        self.assertEqual(self.board.call(0, "hello"), "hello")
        live.wait_for("the server to hear of that", lambda: shown()[0]["state"] == "running")
        self.assertFalse(shown()[0]["try_again_pending"])
        self.board.stop()

    def test_programs_that_end_without_stop_quarantine_nobody(self):
        self.publish("thermo", GOOD)
        place = self.folder / "motherboard/bus/slot0"
        place.mkdir(parents=True)
        shutil.copy(self.image(live.HARDWARE_ID), place / "50.eep")
        program = self.folder / "short.py"
        program.write_text(
            "import sys, time, json, mpyd\n"
            "o = json.loads(sys.argv[1])\n"
            "agent = mpyd.Agent(mpyd.DirBus(o['bus'], mux=0x70), o['identity'], o['cache'], muxes=[0x70])\n"
            "end = time.time() + 20\n"
            "while agent.find('hat:Meadow%20Instruments:0042') is None and time.time() < end:\n"
            "    time.sleep_ms(min(agent.poll(), 10))\n"
            "print(agent.find('hat:Meadow%20Instruments:0042').hello())\n"
            "sys.exit(0)\n")
        options = json.dumps(dict(bus=str(self.board.bus), identity=str(self.board.identity),
                                  cache=str(self.board.cache)))
        for _ in range(5):
            done = subprocess.run([live.MICROPYTHON, program, options], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)

    # --- secrets on the unix port, and what a factory reset forgets

    def python(self, expression):
        return subprocess.run([live.MICROPYTHON, "-c", f"import mpyd; {expression}"], capture_output=True, text=True,
                              timeout=60)

    def test_an_identity_that_others_can_read_is_refused(self):
        os.chmod(self.board.identity, 0o640)
        self.board.bus.mkdir(exist_ok=True)
        done = self.python(f"mpyd.Agent(mpyd.DirBus({str(self.board.bus)!r}), {str(self.board.identity)!r}, "
                           f"{str(self.board.cache)!r})")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("chmod 600", done.stderr)

    def test_a_factory_reset_forgets_everything_but_the_devices_own_key(self):
        self.publish("thermo", GOOD)
        self.board.start()
        self.board.plug(0, self.image(live.HARDWARE_ID))
        self.board.wait_event("loaded", slot=0)
        self.board.stop()
        cache = self.board.cache
        self.assertEqual(cache.stat().st_mode & 0o777, 0o700)
        (cache / "device").write_bytes(b"its own key")
        (cache / "note.txt").write_bytes(b"somebody else's")
        self.assertGreater(len(os.listdir(cache)), 6)
        self.assertEqual(self.python(f"mpyd.factory_reset({str(cache)!r})").returncode, 0)
        self.assertEqual(sorted(os.listdir(cache)), ["device", "note.txt"])
        self.assertEqual(self.python(f"mpyd.factory_reset({str(cache)!r}, keep_key=False)").returncode, 0)
        self.assertEqual(os.listdir(cache), ["note.txt"])
        # It finds its way back, the server's counter included.
        self.board.start()
        self.board.wait_event("loaded", slot=0)
        self.board.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
