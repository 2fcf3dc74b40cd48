#!/usr/bin/python3
"""check.py CORE OUT GENERATED NANOPB: compiles protocol/, device-agent/core/, the generated messages and nanopb for
CORE (cortex-m0plus or cortex-m3) as firmware would, and fails on a warning, on a symbol that allowed_symbols.txt does
not have, on static constructors or variables, on large stack frames, or when the agent outgrows its share of flash.
Prints sizes per layer and the largest stack frames.

GENERATED has mpyd/v1/*.npb.c; NANOPB is where nanopb's source lies, or is put."""

import collections
import concurrent.futures
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys

REPO = pathlib.Path(__file__).resolve().parents[2]
# Measured, with little to spare, so that growth is noticed. Of this, surviving stolen keys and bad drivers took 12 KiB:
# journal of trials 1.8, own key, baked policy and start 2.0, fleet keys and key blocks 2.2, what was loaded before and
# where the server moved 1.7, bounds of what is kept 1.4, revocation and orders 0.9, their messages and texts 1.5.
# Boards people own took 23 KiB more: finding out what a memory is without writing 7, layouts beside HAT 5.5, packages
# stored in the field 5.5, polling that notices swaps, and buses that hang 3.5, choice among all packages 1.0, power 0.9;
# and a KiB what came of 64 slots with one small buffer, boards programmed in place and EEPROMs that change their mind.
FLASH_MAX = {"cortex-m3": 85 * 1024, "cortex-m0plus": 85 * 1024}
# The deepest stack of an agent shall be 4 KiB: no single function may take much more than half of it. FRAMES_MAX have more than 1 KiB.
FRAME_MAX = 2200
FRAMES_MAX = 20
COMMON = ("-mthumb -Os -ffunction-sections -fdata-sections -fstack-usage -ffreestanding -DPB_NO_ERRMSG "
          "-Werror -Wall -Wextra").split()
CXX = ("-std=c++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics "
       "-fno-unwind-tables -fno-asynchronous-unwind-tables -Wpedantic "
       "-Wshadow -Wconversion -Wold-style-cast -Wnon-virtual-dtor -Wsuggest-override "
       "-Wno-missing-field-initializers").split()


def sources_of(folder, target):
    """The list that `add_library(TARGET` has in the CMakeLists.txt of the folder."""
    listed = re.search(rf"^add_library\({target} ([^)]*)\)", (REPO / folder / "CMakeLists.txt").read_text(), re.M)
    return [REPO / folder / name for name in listed.group(1).split() if name.endswith(".cpp")]


def run(*command, talks=False):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0 or (done.stderr and not talks):
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def compile_one(source, output, core, includes):
    cxx = source.suffix == ".cpp"
    launcher = ["ccache"] if shutil.which("ccache") else []
    run(*launcher, "arm-none-eabi-" + ("g++" if cxx else "gcc"), f"-mcpu={core}", *COMMON,
        *(CXX if cxx else ["-std=c11"]), *includes, "-c", source, "-o", output)
    return output


def compile_all(core, out, generated, nanopb):
    layers = {
        "protocol": sources_of("protocol", "mpyd_protocol"),
        "core": sources_of("device-agent/core", "mpyd_agent_core"),
        "messages": sorted((generated / "mpyd/v1").glob("*.npb.c")),
        "nanopb": [nanopb / name for name in ("pb_common.c", "pb_decode.c", "pb_encode.c")],
        "ports": [pathlib.Path(__file__).with_name("firmware.cpp")],
    }
    assert all(layers.values()), layers
    # Of the host's include folder only what is no part of the host's C library.
    (out / "include").mkdir(parents=True, exist_ok=True)
    if not (out / "include/tl").exists():
        (out / "include/tl").symlink_to("/usr/include/tl")
    includes = [f"-I{REPO}", "-isystem", generated, "-isystem", nanopb, "-isystem", out / "include"]
    objects = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for layer, sources in layers.items():
            (out / layer).mkdir(exist_ok=True)
            for source in sources:
                output = out / layer / (str(source).lstrip("/").replace("/", "_") + ".o")
                objects[pool.submit(compile_one, source, output, core, includes)] = layer
        return {future.result(): layer for future, layer in objects.items()}


def link(objects, output, *options):
    """Returns the linker's map."""
    return run("arm-none-eabi-ld", "--print-map", *options, "-o", output, *objects)


def undefined_symbols(linked):
    return [line.split(maxsplit=1)[1] for line in run("arm-none-eabi-nm", "-C", "-u", linked).splitlines()]


def forbidden(symbols):
    lines = pathlib.Path(__file__).with_name("allowed_symbols.txt").read_text().splitlines()
    patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]
    return [s for s in symbols if not any(fnmatch.fnmatchcase(s, pattern) for pattern in patterns)]


def sizes_of(map_text, layer_of):
    """Bytes per layer and kind of section that the linker kept."""
    sizes = collections.defaultdict(collections.Counter)
    kept = map_text.split("Linker script and memory map", 1)[1]
    for section, size, path in re.findall(r"^ (\.\S+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S+\.o)$", kept, re.M):
        kind = section.split(".")[1]
        if kind in ("text", "rodata", "data", "bss", "init_array", "ctors"):
            sizes[layer_of[pathlib.Path(path)]][kind] += int(size, 16)
    return sizes


def stack_frames(objects):
    """(bytes, function) of every function that was compiled, the largest first; all sizes are known at compile time."""
    frames = set()
    for path in objects:
        for line in path.with_suffix(".su").read_text().splitlines():
            place, size, kind = line.split("\t")
            frames.add((int(size), place.split(":", 3)[3], kind))
    return sorted(frames, reverse=True)


def check(core, out, generated, nanopb):
    layer_of = compile_all(core, out, generated, nanopb)
    problems = []

    # All in one relocatable object: what is still undefined is what firmware must supply.
    link(layer_of, out / "everything.o", "-r")
    problems += [f"nothing may need {symbol}; see allowed_symbols.txt"
                 for symbol in forbidden(undefined_symbols(out / "everything.o"))]

    map_text = link(layer_of, out / "agent.elf", "--gc-sections", "-e", "firmware", "--unresolved-symbols=ignore-all")
    sizes = sizes_of(map_text, layer_of)
    print(f"{core}: bytes in flash and RAM of one agent, without cryptography")
    print(f"  {'layer':9} {'text':>6} {'rodata':>6} {'data':>5} {'bss':>5}")
    for layer, kinds in sizes.items():
        print(f"  {layer:9} {kinds['text']:6} {kinds['rodata']:6} {kinds['data']:5} {kinds['bss']:5}")
    flash = sum(k["text"] + k["rodata"] + k["data"] for layer, k in sizes.items() if layer != "ports")
    ram = sum(k["data"] + k["bss"] for k in sizes.values())
    print(f"  {flash} bytes of flash, at most {FLASH_MAX[core]}")
    if not 10000 < flash <= FLASH_MAX[core]:
        problems.append(f"the agent takes {flash} bytes of flash, {FLASH_MAX[core]} are its share")
    if ram > 0:
        problems.append(f"{ram} bytes of variables: the agent has no globals")

    sections = run("arm-none-eabi-objdump", "-h", out / "everything.o")
    for name in ("init_array", "ctors", "fini_array", "ARM.exidx"):
        if f".{name}" in sections:
            problems.append(f"there is a section .{name}: no constructor runs before main, nothing is unwound")

    frames = stack_frames(layer_of)
    print("  the largest stack frames:")
    for size, function, kind in frames[:10]:
        print(f"  {size:6} {function}{'' if kind == 'static' else ' ' + kind}")
    problems += [f"{function} takes {size} bytes of stack, more than {FRAME_MAX}"
                 for size, function, kind in frames if size > FRAME_MAX or kind == "dynamic"]
    large = sum(size > 1024 for size, _, _ in frames)
    print(f"  {large} of {len(frames)} functions take more than 1 KiB, at most {FRAMES_MAX}")
    if large > FRAMES_MAX:
        problems.append(f"{large} functions take more than 1 KiB of stack; protocol/in_place.hpp may help")
    return problems


def main(core, out, generated, nanopb):
    if shutil.which("arm-none-eabi-g++") is None:
        sys.exit("arm-none-eabi-g++ is not installed: deploy/install-deps metal")
    run(REPO / "deploy/source-package", "nanopb/bookworm", nanopb, talks=True)
    found = check(core, pathlib.Path(out) / core, pathlib.Path(generated), pathlib.Path(nanopb))
    for problem in found:
        print("FAILED", problem, file=sys.stderr)
    return 1 if found else 0


sys.exit(main(*sys.argv[1:]))
