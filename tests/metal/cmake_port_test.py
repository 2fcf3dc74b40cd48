#!/usr/bin/python3
"""micropython.cmake in a MicroPython port built with CMake: all that the agent is made of compiles for a Cortex-M3, its
module is registered, and what a linker still misses is what a port has to supply. cmake_port/ says what it is not."""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests/support/live"))
import live  # noqa: E402

CPU = "-mthumb -mcpu=cortex-m3"
# With MicroPython's own: console, files, time, and where a collection begins.
OF_THE_PORT = {"gc_collect", "mp_builtin_open_obj", "mp_hal_stdout_tx_strn_cooked", "mp_hal_ticks_ms", "mp_import_stat",
               "mp_lexer_new_from_file", "nlr_jump_fail", "mpyd_no_base_mult"}


def run(*command):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=280,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


def objects_of(folder, target):
    """One for each source of add_library(TARGET."""
    text = (REPO / folder / "CMakeLists.txt").read_text()
    listed = re.search(rf"^add_library\({target} ([^)]*)\)", text, re.M).group(1)
    return {pathlib.Path(name).name + ".obj" for name in listed.split() if name.endswith(".cpp")}


class CmakePort(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Always here: what a compiler's cache knows, it knows by its path.
        cls.folder = live.BUILD / "obj/cmake-port"
        shutil.rmtree(cls.folder, ignore_errors=True)
        shutil.copytree("/usr/include/tl", cls.folder / "include/tl")
        cls.out = cls.folder / "out"
        launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        cls.must("cmake", "-G", "Ninja", "-S", REPO / "tests/metal/cmake_port", "-B", cls.out, "-DCMAKE_SYSTEM_NAME=Generic",
                 "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc",
                 "-DCMAKE_CXX_COMPILER=arm-none-eabi-g++", f"-DCMAKE_C_FLAGS={CPU}", f"-DCMAKE_CXX_FLAGS={CPU}", *launcher,
                 f"-DMICROPY_DIR={(live.BUILD / 'micropython').resolve()}",
                 f"-DUSER_C_MODULES={REPO / 'device-agent/ports/micropython/micropython.cmake'}",
                 f"-DMPYD_LIBSODIUM_DIR={live.BUILD / 'libsodium-source'}", f"-DMPYD_NANOPB_DIR={live.BUILD / 'nanopb-source'}",
                 f"-DMPYD_INCLUDE_DIRS={cls.folder / 'include'}")
        cls.must("cmake", "--build", cls.out)

    @classmethod
    def must(cls, *command):
        code, said = run(*command)
        if code != 0:
            raise AssertionError(said[-8000:])

    def test_every_source_of_the_agent_is_compiled(self):
        _, listed = run("arm-none-eabi-ar", "t", self.out / "libfirmware.a")
        wanted = {f"{path.name}.obj" for path in (REPO / "device-agent/ports/micropython").glob("*.c*") if path.suffix in (".c", ".cpp")}
        for folder, target in (("protocol", "mpyd_protocol"), ("protocol", "mpyd_protocol_sodium"),
                               ("device-agent/core", "mpyd_agent_core")):
            wanted |= objects_of(folder, target)
        wanted |= {f"{path.stem}.npb.c.obj" for path in (REPO / "schema/mpyd/v1").glob("*.options")}
        self.assertEqual(wanted - set(listed.split()), set())

    def test_the_module_is_registered_with_its_names(self):
        self.assertIn("mpyd_module", (self.out / "genhdr/moduledefs.h").read_text())
        self.assertIn("MP_QSTR_make_board", (self.out / "genhdr/qstrdefs.generated.h").read_text())

    def test_what_the_linker_misses_is_what_a_port_supplies(self):
        _, said = run("arm-none-eabi-gcc", *CPU.split(), "-nostdlib", "-Wl,--gc-sections",
                      "-Wl,--wrap=gc_collect_root,--wrap=gc_collect_end", "-Wl,-e,mp_init", "-Wl,--whole-archive",
                      self.out / "libfirmware.a", "-Wl,--no-whole-archive", self.out / "libmpyd_sodium.a",
                      self.out / "libmpyd_nanopb.a", "-lc", "-lgcc", "-o", self.folder / "none.elf")
        missing = set(re.findall(r"undefined reference to `([^']*)'", said))
        # The C library asks for the functions of an operating system, which begin with a line.
        self.assertEqual({name for name in missing if not name.startswith("_")}, OF_THE_PORT, said[-4000:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
