#!/usr/bin/python3
"""run_with_server.py SERVER TEST.py [MICROPYTHON [SHIM]]: compiles the drivers of the tests, starts SERVER (scripted_server)
with them, and runs TEST.py in MicroPython's unix port (or in build/MICROPYTHON) with a fresh folder and the folder of
identity and images as arguments. With SHIM (tests/support/i2c/preload.cpp) /dev/i2c-1 is what bus.txt describes, beside
that fresh folder."""

import os
import pathlib
import subprocess
import sys
import tempfile

import big_driver

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD = REPO / "build"
# Image, driver, product, configuration on the EEPROM ("package": that instead; "store": room for it), variant. One package per product.
DRIVERS = (
    ("thermo_x64", "thermo", "0001", "", "thermo/x64/thermo.mpy"),
    ("thermo_any", "thermo", "0002", "", "thermo/any/thermo.mpy"),
    ("os", "os", "0003", "", "os.mpy"),
    ("check", "check", "0004", "", "check.mpy"),
    ("raises_attach", "raises", "0005", "attach", "raises.mpy"),
    ("raises_detach", "raises", "0006", "detach", "raises.mpy"),
    ("body_raises", "body_raises", "0007", "", "body_raises.mpy"),
    ("no_attach", "no_attach", "0008", "", "no_attach.mpy"),
    ("python_native", "python_native", "0009", "", "python_native.mpy"),
    ("trailing", "thermo", "000c", "", "trailing.mpy"),
    ("hungry", "hungry", "000b", "", "hungry.mpy"),
    ("curious", "curious", "000a", "a configuration", "curious.mpy"),
    ("big_x64", "big", "000d", "", "big/x64/big.mpy"),
    ("big_any", "big", "000e", "", "big/any/big.mpy"),
    ("big_x64_on_board", "big", "000f", "package", "big/x64/big.mpy"),
    ("big_any_on_board", "big", "0010", "package", "big/any/big.mpy"),
    ("keepsake", "keepsake", "0011", "", "keepsake/x64/keepsake.mpy"),
    ("watcher", "watcher", "0012", "", "watcher.mpy"),
    ("thermo_to_store", "thermo", "0014", "store", "thermo/x64/thermo.mpy"),
    ("thermo_on_board", "thermo", "0013", "package", "thermo/x64/thermo.mpy"),
)


def compile_drivers(out):
    for name, archs in (("thermo", "x64,any"), ("relay", "x64,any"), ("keepsake", "x64")):
        subprocess.run([REPO / "deploy/driver", "build", REPO / "tests/drivers" / name, "--arch", archs, "--out",
                        out / name], check=True, stdout=subprocess.DEVNULL)
    for source in sorted((HERE / "drivers").glob("*.py")):
        native = ["-march=x64", "-X", "emit=native"] if source.stem in ("python_native", "watcher") else []
        subprocess.run([BUILD / "mpy-cross", *native, "-s", source.name, "-o", out / (source.stem + ".mpy"), source],
                       check=True)
    big_driver.build(out / "big", REPO / "deploy/driver")
    (out / "trailing.mpy").write_bytes((out / "thermo/any/thermo.mpy").read_bytes() + b"more")


def preload(shim, description):
    """What a program is run with to see the shim's bus."""
    needed = subprocess.run(["ldd", shim], capture_output=True, text=True, check=True).stdout
    # A sanitizer wants to come first.
    sanitizers = [line.split()[2] for line in needed.splitlines() if "libasan" in line]
    return dict(os.environ, LD_PRELOAD=" ".join([*sanitizers, shim]), I2C_SHIM_1=str(description),
                ASAN_OPTIONS="detect_leaks=0")


def main(server_program, test, micropython="micropython-unix", shim=None):
    with tempfile.TemporaryDirectory(prefix="mpyd-test-") as folder:
        given = pathlib.Path(folder) / "given"
        given.mkdir()
        compile_drivers(given)
        arguments = [part for *words, file in DRIVERS for part in (*words, given / file)]
        server = subprocess.Popen([server_program, given, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if server.stdout.readline() != b"ready\n":
                return 1
            return subprocess.run([BUILD / micropython, HERE / test, folder + "/run", given],
                                  stdin=subprocess.DEVNULL,
                                  env=preload(shim, folder + "/bus.txt") if shim else None).returncode
        finally:
            server.stdin.close()
            server.wait(timeout=10)


sys.exit(main(*sys.argv[1:]))
