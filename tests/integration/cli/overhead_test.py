"""What signing, encrypting and sealing add to a small driver: it has to fit the 8 KiB EEPROMs of most boards."""

import json
import subprocess
import unittest

from support import HARDWARE_ID, REPO, CliTest

OVERHEAD_MAX = 512


class Overhead(CliTest):
    def driver_of(self, size):
        """A bytecode driver of exactly `size` bytes."""
        source, mpy = self.folder / "small.py", self.folder / "small.mpy"
        padding = size - 100
        for _ in range(4):
            source.write_text(f"PADDING = b'{'x' * padding}'\ndef attach(board):\n    return board\n")
            subprocess.run([REPO / "build/mpy-cross", "-s", "small.py", "-o", mpy, source], check=True)
            padding += size - mpy.stat().st_size
        self.assertEqual(mpy.stat().st_size, size)
        return mpy

    def test_a_package_for_one_recipient_adds_at_most_512_bytes_to_a_driver_of_4_kib(self):
        keys = self.folder / "keys"
        self.run_ok("init", "--data", self.folder / "data", "--keys", keys)
        self.run_ok("keygen", "--role", "publisher", "--out", keys / "p.key")
        driver = self.driver_of(4096)
        packed = self.run_json("pack", driver, "--hardware-id", HARDWARE_ID, "--name", "small", "--version", "1.0.0",
                               "--release", 1, "--key", keys / "p.key", "--root", keys / "root.mpyd", "--out-dir",
                               self.folder)["packages"][0]  # fmt: skip
        shown = json.dumps(self.run_json("inspect", packed["file"]))
        self.assertIn("secretstream", shown)
        with open(packed["file"], "rb") as file:
            overhead = len(file.read()) - 4096
        print(f"{overhead} bytes of package and key block around a driver of 4096 bytes")
        self.assertGreater(overhead, 200)
        self.assertLessEqual(overhead, OVERHEAD_MAX)


if __name__ == "__main__":
    unittest.main()
