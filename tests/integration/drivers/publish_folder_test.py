"""`mpyd publish DIR` and `mpyd pack DIR`: a folder of variants as one release, which may grow and never changes."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402

USAGE, CONFLICT, VERIFICATION = 2, 5, 6
HARDWARE_ID = "hat:Meadow%20Instruments:1007"
ARCHS = ("any", "x64", "armv6m", "armv7m", "armv7emsp", "armv7emdp", "rv32imc")

built = None


def setUpModule():
    global built
    built = live.temporary_folder()
    unittest.addModuleCleanup(shutil.rmtree, built)
    subprocess.run([REPO / "deploy/driver", "build", REPO / "tests/drivers/relay", "--out", built],
                   check=True, capture_output=True)


class PublishFolder(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = live.Server(self.folder).start()
        self.addCleanup(self.server.stop)
        self.server.delegate(HARDWARE_ID, "relay")
        self.driver = self.folder / "relay"
        self.add(*ARCHS)

    def add(self, *archs):
        for arch in archs:
            shutil.copytree(built / arch, self.driver / "native" / arch)

    def keep(self, *archs):
        for arch in set(ARCHS) - set(archs):
            shutil.rmtree(self.driver / "native" / arch)

    def mpy(self, arch):
        return self.driver / "native" / arch / "relay.mpy"

    def publish(self, *files, version="1.0.0", more=()):
        return json.loads(self.server.publish(*files, hardware_id=HARDWARE_ID, name="relay", version=version,
                                              more=("--json", *more)).stdout)

    def publish_fails(self, code, *files, saying=""):
        done = self.server.publish(*files, hardware_id=HARDWARE_ID, name="relay", check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(saying, done.stderr)

    def variants(self):
        releases = json.loads(self.server.admin("release", "list", "--json").stdout)["releases"]
        self.assertLessEqual(len(releases), 1)
        return {v["abi"]: v["digest"] for release in releases for v in release["variants"]}

    def test_a_folder_is_one_release_with_all_its_variants(self):
        said = self.publish(self.driver)
        self.assertEqual(said["release"], 1)
        self.assertEqual([p["status"] for p in said["packages"]], ["stored"] * len(ARCHS))
        stored = self.variants()
        self.assertEqual(set(stored), {"6-any", *(f"6.3-{arch}" for arch in ARCHS if arch != "any")})
        # The folder of the variants itself says the same as the driver's.
        again = self.publish(self.driver / "native")
        self.assertEqual([p["status"] for p in again["packages"]], ["exists"] * len(ARCHS))
        self.assertEqual(self.variants(), stored)

    def test_variants_join_a_release_later_and_those_it_has_stay_as_they_are(self):
        self.keep("any", "x64")
        self.publish(self.driver)
        first = self.variants()
        self.assertEqual(set(first), {"6-any", "6.3-x64"})
        self.add("armv6m", "rv32imc")
        said = self.publish(self.driver)
        self.assertEqual({p["abi"]: p["status"] for p in said["packages"]},
                         {"6-any": "exists", "6.3-x64": "exists", "6.3-armv6m": "stored", "6.3-rv32imc": "stored"})
        self.assertEqual(said["release"], 1)
        self.assertEqual({abi: self.variants()[abi] for abi in first}, first)
        # What is not in the folder any more stays in the release.
        self.publish(self.mpy("rv32imc"))
        self.assertEqual(len(self.variants()), 4)

    def test_a_variant_that_changed_is_a_conflict_and_nothing_of_the_folder_is_stored(self):
        self.keep("any", "x64")
        self.publish(self.driver)
        before = self.variants()
        self.add("armv7m")
        changed = self.folder / "changed"
        changed.mkdir()
        (changed / "relay.py").write_text((REPO / "tests/drivers/relay/relay.py").read_text() + "\nCHANGED = 1\n")
        shutil.copy(live.build_driver(changed, self.folder / "out", "relay")["any"], self.mpy("any"))
        self.publish_fails(CONFLICT, self.driver, saying="new --version")
        self.assertEqual(self.variants(), before)
        self.assertEqual(self.publish(self.driver, version="1.0.1")["release"], 2)

    def test_a_file_named_beside_its_folder_brings_what_no_file_says(self):
        self.keep("any", "armv7emsp")
        self.publish(self.driver, f"{self.mpy('armv7emsp')}:float=soft")
        self.assertEqual(set(self.variants()), {"6-any", "6.3-armv7emsp-softfp"})
        # The same code with its default is another ABI, so it may join.
        self.publish(self.driver)
        self.assertEqual(set(self.variants()), {"6-any", "6.3-armv7emsp", "6.3-armv7emsp-softfp"})

    def test_a_folder_with_something_wrong_in_it_is_refused_as_a_whole(self):
        self.publish_fails(USAGE, f"{self.driver}:float=soft", saying="name the file beside it")
        shutil.copy(self.mpy("any"), self.mpy("armv6m"))
        self.publish_fails(VERIFICATION, self.driver, saying="lies in the folder of armv6m")
        shutil.rmtree(self.mpy("armv6m").parent)
        (self.driver / "native/armv8").mkdir()
        self.publish_fails(USAGE, self.driver, saying="armv8 is called like no architecture")
        os.rmdir(self.driver / "native/armv8")
        self.mpy("x64").unlink()
        os.mkfifo(self.mpy("x64"))
        self.publish_fails(1, self.driver, saying="not a regular file")
        self.assertEqual(self.variants(), {})

    def test_a_folder_is_packed_as_one_release_too(self):
        out = self.folder / "packages"
        out.mkdir()
        live.mpyd("pack", self.driver, "--hardware-id", HARDWARE_ID, "--name", "relay", "--version", "1.0.0",
                  "--release", 1, "--key", self.server.publisher, "--root", self.server.root, "--out-dir", out)
        packages = sorted(out.iterdir())
        self.assertEqual(len(packages), len(ARCHS))
        self.publish(*packages[:3])
        self.publish(*packages)
        self.assertEqual(len(self.variants()), len(ARCHS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
