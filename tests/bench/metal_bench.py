#!/usr/bin/python3
"""metal_bench.py [--json] [--no-build]

What the agent takes of a Cortex-M3: flash, RAM, stack, heap while loading, and instructions from plug to loaded, each
beside its budget. Ends with 1 where a number is above its bound. Where the budget is met, that is the bound; where it is
not, the bound is a little above what is now, and the table says what is in the way.
"""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("MPYD_BUILD_DIR", REPO / "build"))
sys.path.insert(0, str(HERE / "metal"))
import footprint  # noqa: E402
import sessions  # noqa: E402

KIB = 1024
NEW_NAMES = "MicroPython's loader enters the names of a driver that it never saw; from the cache, later, the budget is met"
# name: (budget, bound, what is in the way while the bound is above the budget)
LIMITS = {
    "flash": (48 * KIB, 132 * KIB,
              "core and protocol alone are 79 KiB, libsodium's SHA-512 and fields are unrolled for speed (35 KiB in all)"),
    "ram for 8 slots": (6 * KIB, 14 * KIB, "the message buffer is 4 KiB, and the Agent keeps 7 KiB of state, keys and journal"),
    "ram per slot": (96, 360, "a Slot holds its BoardIdentity, a fingerprint and three digests"),
    "stack": (4 * KIB, 7 * KIB,
              "while an answer is decoded, decode_slot, accept_entry and read_entry hold 1.5 to 1.9 KiB each at once"),
    "heap": (4 * KIB, 4 * KIB, ""),
    "instructions, small driver": (1.25, 1.4, NEW_NAMES),
    "instructions, large driver": (1.25, 1.25, ""),
}
CPU = ("agent", "host", "load", "collect", "verify", "agree", "hash", "open")
WAITS = ("bus", "network", "store")
OTHERS = ("driver", "told", "outside")
PRIMITIVES = ("verify", "agree", "hash", "open")
WORDS = {
    "agent": "agent: core, protocol, port", "host": "time, random bytes, watchdog", "load": "MicroPython's loader",
    "collect": "MicroPython's collector, and room", "verify": "Ed25519 verify", "agree": "X25519", "hash": "SHA-256",
    "open": "AEAD, secretstream", "bus": "bus", "network": "network", "store": "store (flash)", "driver": "driver's own code",
    "told": "application's events", "outside": "application, waiting",
}


def measure_footprint():
    folder = BUILD / "obj/motherboard-mps2"
    elf = BUILD / "motherboard-mps2.elf"
    return {"parts": footprint.sizes(folder / "firmware.map"), "largest": footprint.largest(elf, 25)}


def measure_sessions():
    folder = BUILD / "obj/motherboard-mps2-bench"
    elf = BUILD / "motherboard-mps2-bench.elf"
    bench = sessions.Bench(elf)
    try:
        cycles, stack, heap = (bench.run(mode) for mode in ("cycles", "stack", "heap"))
    finally:
        bench.close()
    last = stack[sessions.SESSIONS[-1][0]]  # a high-water mark over all of them
    return {
        "driver_bytes": bench.driver_bytes,
        "instructions": {name: told["instructions"] for name, told in cycles.items()},
        "polls": {name: told["polls"]["count"] for name, told in cycles.items()},
        "sizes": cycles[sessions.SESSIONS[0][0]]["sizes"],
        "stack": last["stack"], "stack_of_all": last["stack_of_all"]["bytes"],
        "deepest": footprint.callers(elf, folder, last["callers"]["addresses"]),
        "heap": {name: told["heap"] for name, told in heap.items()},
    }


class Table:
    def __init__(self):
        self.lines = []
        self.missed = []
        self.numbers = {}

    def title(self, text):
        self.lines += ["", text]

    def row(self, name, number, more=""):
        shown = f"{number:,}" if isinstance(number, int) else f"{number:.2f}"
        self.lines.append(f"  {name:<34} {shown:>12}  {more}".rstrip())

    def limit(self, name, number, label):
        budget, bound, why = LIMITS[name]
        is_over = number > budget
        more = f"budget {budget:,}: x {number / budget:.2f}" + (f", over budget: {why}" if is_over else "")
        if number > bound:
            more += f"; FAILED: above the bound of {bound:,}"
            self.missed.append(name)
        self.numbers[label] = {"is": number, "budget": budget, "bound": bound}
        self.row(label, number, more)


def show_flash(table, found):
    flash = found["parts"]["flash"]
    table.title("Flash, bytes")
    for part in (*footprint.AGENT, *footprint.CRYPTOGRAPHY):
        table.row(part, flash.get(part, 0))
    agent = sum(flash.get(part, 0) for part in (*footprint.AGENT, *footprint.CRYPTOGRAPHY))
    table.limit("flash", agent, "agent with its cryptography")
    for part in ("port, frozen Python", "lwIP", "C library", "MicroPython"):
        table.row(part, flash.get(part, 0), "apart")
    table.title("Largest functions and constants of the agent, bytes")
    for name, size in found["largest"]:
        table.row(name[-70:], size)


def show_ram(table, parts, sizes):
    ours = (*footprint.AGENT, *footprint.CRYPTOGRAPHY)
    static = sum(parts[kind].get(part, 0) for kind in ("data", "bss") for part in ours)
    per_slot = sizes["slot"] + sizes["place"] + sizes["module"]
    table.title("RAM that the agent holds, bytes (the chunk's buffer apart)")
    table.row(".data and .bss", static)
    table.row("Agent", sizes["agent"], "on the GC heap, as all below")
    table.row("ports", sizes["ports"])
    table.row("message buffer", sizes["message"])
    table.row("8 slots", 8 * per_slot, f"Slot {sizes['slot']}, of it BoardIdentity {sizes['identity']}")
    table.limit("ram for 8 slots", static + sizes["agent"] + sizes["ports"] + sizes["message"] + 8 * per_slot, "for 8 slots")
    table.limit("ram per slot", per_slot, "each further slot")
    table.row("chunk's buffer", sizes["work"], f"a chunk is {sizes['chunk']} at most")


def show_stack(table, found):
    parts = found["stack"]
    table.title("Deepest stack below the entry into poll(), bytes; up to 150 of them are the measuring's")
    for part in ("agent", "load", "collect", *PRIMITIVES):
        table.row(WORDS[part], parts[part])
    table.limit("stack", max(parts[part] for part in ("agent", "load", "collect", *PRIMITIVES)), "agent's own")
    table.row("with the ports' Python below it", found["stack_of_all"])
    table.title("Frames found below the deepest point, bytes, deepest first; some had returned by then")
    for name, size in found["deepest"]:
        table.row(name[-70:], size)


def show_heap(table, found):
    table.title("GC heap while loading, bytes")
    for name, heap in found["heap"].items():
        table.row(f"{name}: driver", heap["after"] - heap["before"])
        table.limit("heap", heap["peak"] - heap["after"], "beyond it, at the height")


def show_instructions(table, found):
    for name, parts in found["instructions"].items():
        table.title(f"Instructions from plug to loaded: {name} ({found['polls'][name]} polls)")
        for part in (*CPU, *WAITS, *OTHERS):
            alone = parts.get(f"bare_{part}")
            table.row(WORDS[part], parts[part], f"alone {alone:,}" if alone else "")
        bare = sum(parts[f"bare_{part}"] for part in PRIMITIVES)
        cpu = sum(parts[part] for part in CPU)
        table.row("CPU part", cpu)
        table.row("primitives alone", bare)
        table.limit(f"instructions, {name.split(',')[0]}", cpu / bare, "ratio")


def main(arguments):
    if "--no-build" not in arguments:
        for target in ("mps2", "mps2-bench"):
            subprocess.run([REPO / "deploy/micropython", target], check=True)
    static, live = measure_footprint(), measure_sessions()
    table = Table()
    show_flash(table, static)
    show_ram(table, static["parts"], live["sizes"])
    show_stack(table, live)
    show_heap(table, live)
    show_instructions(table, live)
    if "--json" in arguments:
        print(json.dumps({"footprint": static, "sessions": live, "missed": table.missed}, indent=1))
    else:
        print("\n".join(table.lines))
    if table.missed:
        print(f"FAILED: {', '.join(table.missed)}", file=sys.stderr)
    return 1 if table.missed else 0


if __name__ == "__main__":
    if "--help" in sys.argv:
        print(__doc__.strip())
        sys.exit(0)
    sys.exit(main(sys.argv[1:]))
