"""Helpers of the command-line tests: exit codes as the contract names them, and drivers to publish."""

import json
import os
import pathlib
import shutil
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402

FAILED, USAGE, NOT_AUTHORISED, NOT_FOUND, CONFLICT, VERIFICATION, NETWORK = range(1, 8)
HARDWARE_ID = live.HARDWARE_ID

_drivers = {}


def driver(variant="any", version="1.0.0"):
    """A .mpy of the thermo driver; another version has other bytes."""
    if version not in _drivers:
        folder = live.temporary_folder()
        unittest.addModuleCleanup(shutil.rmtree, folder)
        source = folder / "source"
        shutil.copytree(REPO / "tests/drivers/thermo", source)
        if version != "1.0.0":
            with open(source / "thermo.py", "a") as text:
                text.write(f"\nVERSION = {version!r}\n")
        _drivers[version] = live.build_driver(source, folder / "out", "thermo")
    return _drivers[version][variant]


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def run_ok(self, *args, **kwargs):
        return live.mpyd(*args, **kwargs)

    def run_json(self, *args, **kwargs):
        done = live.mpyd(*args, "--json", **kwargs)
        self.assertEqual(done.stdout.count("\n"), 1, done.stdout)
        return json.loads(done.stdout)

    def run_fails(self, code, *args, saying="", **kwargs):
        """The command ends with `code`, explains itself on stderr, and prints no result."""
        done = live.mpyd(*args, check=False, **kwargs)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn("error: ", done.stderr)
        self.assertIn(saying, done.stderr)
        self.assertEqual(done.stdout, "")
        return done

    def assert_secret(self, path):
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600, path)


def flipped(path, out, bit):
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    out.write_bytes(data)
    return out
