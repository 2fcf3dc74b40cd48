#!/usr/bin/python3
"""Damaged drivers: what `mpyd inspect` calls sound, MicroPython's loader survives.

mutants_test.py MPY_MUTANTS MPYD WORK_DIR

Cuts and flipped bits, all of them through the parser (mpy_mutants), 300 of them through the binary. Each one that is
still called sound is loaded, not run, in a MicroPython of its own that may take 2 s for it.
"""

import json
import random
import select
import subprocess
import sys
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
REPO = TESTS.parent
MICROPYTHON = REPO / "build" / "micropython-unix-test"
MUTANTS, MPYD, WORK = (Path(sys.argv.pop(1)) for _ in range(3))
SECONDS_PER_LOAD = 2

VECTORS = TESTS / "vectors" / "mpy"
FILES = [VECTORS / name for name in ("bytecode.mpy", "emitted-x64.mpy", "features4-x64.mpy", "floats-x64.mpy")]


def build_drivers():
    """The drivers of the tests, for this machine and as bytecode."""
    for name in ("thermo", "relay"):
        out = WORK / name
        subprocess.run([REPO / "deploy/driver", "build", TESTS / "drivers" / name, "--out", out, "--arch", "x64,any"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield from (out / arch / f"{name}.mpy" for arch in ("x64", "any"))


class Child:
    """One MicroPython that loads mutants from `first` on; loaded() yields an index before each load."""

    def __init__(self, path, first):
        self.process = subprocess.Popen(
            [MICROPYTHON, "-X", "heapsize=64m", Path(__file__).with_name("load_mutants.py"), path, str(first)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        self.rest = b""

    def lines(self):
        while True:
            ready, _, _ = select.select([self.process.stdout], [], [], SECONDS_PER_LOAD)
            if not ready:
                self.process.kill()
                raise TimeoutError
            data = self.process.stdout.read(65536)
            if not data:
                return
            *lines, self.rest = (self.rest + data).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)


def load_all(path):
    """Loads every record of `path`. Returns how many, and what MicroPython said of those it refused."""
    loaded, reports, first = 0, [], 0
    while first is not None:
        child, last, more, done = Child(path, first), None, False, False
        try:
            for line in child.lines():
                if line.isdigit():
                    last = int(line)
                    loaded += 1
                elif line == "more":
                    more = True
                else:
                    done = line.startswith("done")
                    reports.append(line)
        except TimeoutError:
            raise AssertionError(f"mutant {last} hangs the loader") from None
        finally:
            child.process.stdout.close()
            code = child.process.wait()
        if code != 0 or not done:
            raise AssertionError(f"mutant {last} ends MicroPython with {code}: {reports[-3:]}")
        first = last + 1 if more else None
    return loaded, reports


class Mutants(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        WORK.mkdir(parents=True, exist_ok=True)
        cls.files = [*build_drivers(), *FILES]

    def test_an_unchanged_driver_is_sound(self):
        for path in [*self.files, *sorted(VECTORS.glob("*.mpy"))]:
            with self.subTest(path.name):
                run = subprocess.run([MPYD, "inspect", "--json", path], capture_output=True, timeout=30)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertTrue(json.loads(run.stdout)["valid"])

    def test_A42_every_mutant_that_is_called_sound_loads_without_hang_or_crash(self):
        for path in self.files:
            with self.subTest(path.name):
                records = WORK / "mutants.bin"
                run = subprocess.run([MUTANTS, records, path], capture_output=True, text=True, timeout=120)
                self.assertEqual(run.returncode, 0, run.stderr)
                sound = int(run.stdout.split()[0])
                self.assertGreater(sound, 0, "a flipped bit of machine code or text is nobody's to see")
                loaded, reports = load_all(records)
                self.assertEqual(loaded, sound)
                print(f"{path.name} ({path.stat().st_size} bytes): {run.stdout.strip()}; all {loaded} loaded; "
                      f"{' '.join(reports)}", file=sys.stderr)

    def test_A42_300_mutants_through_the_binary_end_with_0_or_6(self):
        chance = random.Random(42)
        codes = {0: 0, 6: 0}
        mutant = WORK / "mutant.mpy"
        for _ in range(300):
            data = bytearray(chance.choice(self.files).read_bytes())
            if chance.random() < 0.3:
                del data[chance.randrange(len(data)):]
            else:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            mutant.write_bytes(data)
            run = subprocess.run([MPYD, "inspect", mutant], capture_output=True, timeout=30)
            self.assertIn(run.returncode, codes, run.stderr)
            codes[run.returncode] += 1
        print(f"inspect: {codes[0]} times sound, {codes[6]} times refused", file=sys.stderr)
        self.assertGreater(codes[0], 0)
        self.assertGreater(codes[6], 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
