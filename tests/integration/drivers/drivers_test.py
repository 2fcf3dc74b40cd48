"""deploy/driver: both drivers of the tests for every architecture whose compiler Debian has, and what it says of others."""

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

ABI = {
    "any": "6-any",
    "x64": "6.3-x64",
    "armv6m": "6.3-armv6m",
    "armv7m": "6.3-armv7m",
    "armv7emsp": "6.3-armv7emsp",
    "armv7emdp": "6.3-armv7emdp",
    "rv32imc": "6.3-rv32imc",
}
# What a compiler needs its library for: no instruction of armv6m divides, none of any 32-bit core divides 64 bits, and
# a float needs help where there is no unit for it.
ARITHMETIC = """
#include "py/dynruntime.h"
static mp_obj_t attach(mp_obj_t in) {
    long long n = mp_obj_get_int(in);
    volatile float half = (float)n * 0.5f;
    return mp_obj_new_int((mp_int_t)(n * 1000003LL / (n + 1) + (int)half % 7 + (int)n / 3));
}
static MP_DEFINE_CONST_FUN_OBJ_1(attach_obj, attach);
mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_attach, MP_OBJ_FROM_PTR(&attach_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
"""


def run(*arguments, **environment):
    return subprocess.run([REPO / "deploy/driver", *map(str, arguments)], capture_output=True, text=True, timeout=200,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, **environment))


class Drivers(unittest.TestCase):
    def setUp(self):
        self.folder = live.temporary_folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def build(self, source, out, *more, **environment):
        done = run("build", source, "--out", self.folder / out, *more, **environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return {pathlib.Path(line).parent.name: pathlib.Path(line) for line in done.stdout.splitlines()}, done.stderr

    def path_without_cross_compilers(self):
        programs = self.folder / "bin"
        programs.mkdir()
        for folder in os.environ["PATH"].split(":"):
            for program in pathlib.Path(folder).glob("*"):
                if "-none-eabi-" not in program.name and "-unknown-elf-" not in program.name:
                    link = programs / program.name
                    if not link.is_symlink():
                        link.symlink_to(program)
        return str(programs)

    def test_both_drivers_are_built_for_every_abi_and_each_file_says_its_own(self):
        for name in ("thermo", "relay"):
            source = REPO / "tests/drivers" / name
            before = sorted(source.rglob("*"))
            variants, said = self.build(source, name)
            self.assertEqual(set(variants), set(ABI), said)
            for arch, path in variants.items():
                with self.subTest(driver=name, arch=arch):
                    self.assertEqual(path, self.folder / name / arch / f"{name}.mpy")
                    shown = json.loads(live.mpyd("inspect", "--json", path).stdout)
                    self.assertEqual((shown["kind"], shown["abi"], shown["valid"]), ("mpy", ABI[arch], True))
                    self.assertEqual(shown["bytes"], path.stat().st_size)
            self.assertEqual(sorted(source.rglob("*")), before)

    def test_what_a_compiler_needs_its_library_for_is_linked_in(self):
        source = self.folder / "arithmetic"
        source.mkdir()
        (source / "arithmetic.c").write_text(ARITHMETIC)
        variants, said = self.build(source, "out")
        self.assertEqual(set(variants), set(ABI) - {"any"}, said)
        script = "import sys; sys.path.insert(0, sys.argv[1]); import arithmetic; print(arithmetic.attach(1000001))"
        done = subprocess.run([live.MICROPYTHON, "-c", script, variants["x64"].parent], capture_output=True, text=True)
        n = 1000001
        self.assertEqual(done.stdout.strip(), str(n * 1000003 // (n + 1) + n // 2 % 7 + n // 3), done.stderr)

    def test_compilers_that_are_missing_are_named_with_their_origin_and_the_others_are_used(self):
        path = self.path_without_cross_compilers()
        variants, said = self.build(REPO / "tests/drivers/relay", "out", PATH=path)
        self.assertEqual(set(variants), {"any", "x64"})
        self.assertIn("no compiler for armv6m armv7m armv7emsp armv7emdp rv32imc; from: deploy/install-deps cross", said)
        done = run("build", REPO / "tests/drivers/relay", "--out", self.folder / "more", "--arch", "x64,rv32imc", PATH=path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("riscv64-unknown-elf-gcc is not installed", done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertFalse((self.folder / "more").exists())

    def test_the_cross_compilers_belong_to_the_tests_and_not_to_the_quickstart(self):
        def packages(group):
            done = subprocess.run([REPO / "deploy/install-deps", "--list", group], capture_output=True, text=True, check=True)
            return done.stdout.splitlines()[1].split()

        cross = packages("cross")
        self.assertIn("gcc-arm-none-eabi", cross)
        self.assertIn("gcc-riscv64-unknown-elf", cross)
        self.assertEqual(set(packages("run")) & set(cross), set())
        self.assertEqual([p for p in packages("run") if "none-eabi" in p or "unknown-elf" in p], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
