#!/usr/bin/python3
"""Everything that an earlier mpyd wrote is read by this one: server, keys, packages, identities, a motherboard's cache.

tests/vectors/compat/<format>/ holds, as that version left it: server/ and keys/ of `mpyd init`, a published driver, what a
motherboard keeps after it loaded that driver, and one file of each kind. Nothing in there is ever made again.
"""

import json
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support/live"))
import live  # noqa: E402

VECTORS = live.REPO / "tests/vectors/compat"
FORMATS = sorted((path for path in VECTORS.iterdir() if path.is_dir()), key=lambda path: int(path.name))
PASSPHRASE = "compat"


def as_far_as(now, said):
    """`now` without what `said` does not name: later versions may say more."""
    if isinstance(said, dict) and isinstance(now, dict):
        return {key: as_far_as(now.get(key), value) for key, value in said.items()}
    if isinstance(said, list) and isinstance(now, list) and len(said) == len(now):
        return [as_far_as(*pair) for pair in zip(now, said)]
    return now


class Compat(unittest.TestCase):
    def copies(self):
        """A writable copy of each format's folder, with what its README says is in it."""
        self.assertTrue(FORMATS)
        for path in FORMATS:
            folder = live.temporary_folder()
            self.addCleanup(shutil.rmtree, folder)
            shutil.copytree(path, folder / "old")
            for secret in (folder / "old").rglob("*"):
                secret.chmod(0o700 if secret.is_dir() else 0o600)  # git keeps no such modes
            with self.subTest(format=path.name):
                yield folder, folder / "old", json.loads((path / "facts.json").read_text())

    def serve(self, folder, old, facts):
        server = live.Server.__new__(live.Server)
        server.data, server.keys, server.process = old / "server", old / "keys", None
        server.ports = tuple(facts["ports"])
        server.root, server.token_file = server.keys / "root.mpyd", server.keys / "admin.token"
        server.publisher = server.keys / "publisher.key"
        self.addCleanup(server.stop)
        return server.start()

    def motherboard(self, folder, old, facts):
        shutil.copytree(old / "cache", folder / "motherboard/cache")
        board = live.Motherboard(folder / "motherboard", old / "identity", sync_interval_ms=400, retry_max_ms=300)
        self.addCleanup(board.stop)
        board.plug(0, old / "board.eep")
        return board.start()

    def test_each_file_is_still_what_it_was(self):
        for _, old, facts in self.copies():
            for name, said in facts["inspect"].items():
                now = json.loads(live.mpyd("inspect", old / name, "--json").stdout)
                self.assertEqual(as_far_as(now, said), said, name)

    def test_a_motherboard_goes_on_from_its_old_cache_without_a_server(self):
        for folder, old, facts in self.copies():
            board = self.motherboard(folder, old, facts)
            self.assertIn("thermo 1.0.0", board.wait_event("loaded", slot=0)["detail"])
            board.stop()

    def test_a_motherboard_loads_what_its_board_carries(self):
        for folder, old, facts in self.copies():
            for package in (old / "cache").glob("p-*"):
                package.unlink()
            board = self.motherboard(folder, old, facts)
            self.assertIn("thermo 1.0.0", board.wait_event("loaded", slot=0)["detail"])
            board.stop()

    def test_an_old_server_is_served_on_and_takes_new_releases(self):
        for folder, old, facts in self.copies():
            server = self.serve(folder, old, facts)
            board = self.motherboard(folder, old, facts)
            board.wait_event("synced")
            board.wait_event("loaded", slot=0)
            source = folder / "thermo"
            source.mkdir()
            (source / "thermo.py").write_text("def attach(board):\n    return board\ndef detach(x):\n    pass\n")
            server.publish(live.build_driver(source, folder / "built", "thermo")["any"], version="2.0.0")
            self.assertIn("2.0.0", board.wait_event("loaded", slot=0, count=2)["detail"])
            self.assertIn("intact", server.admin("audit", "verify").stdout)
            board.stop()
            server.stop()

    def test_old_keys_still_sign(self):
        for folder, old, facts in self.copies():
            server = self.serve(folder, old, facts)
            secret = folder / "passphrase"
            secret.write_text(PASSPHRASE + "\n")
            secret.chmod(0o600)
            sign = ("--root", server.root, "--passphrase-file", secret, "--yes")
            server.admin("trust", "floor", "--hardware-id", live.HARDWARE_ID, "--release", 1, "--key", server.keys / "targets.key", *sign)
            server.admin("trust", "rotate", "server", "--key", server.keys / "root.key", *sign)
            board = self.motherboard(folder, old, facts)
            board.wait_event("trust_changed")
            board.wait_event("loaded", slot=0)
            board.stop()
            server.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
