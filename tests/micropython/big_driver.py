"""A driver of about 60 KB, as native code (two thirds of it code, the rest tables) and as bytecode."""

import subprocess

C_FUNCTIONS = 244
PYTHON_FUNCTIONS = 23


def c_source():
    table = ",".join(str((i * 2654435761) % 4294967296) + "u" for i in range(5000))
    functions = "".join(
        f"static __attribute__((noinline)) uint32_t f{i}(uint32_t x) {{\n"
        + "".join(f"  x = (x ^ {(i * 64 + n) * 40503 + 1}u) * {2 * (i * 64 + n) + 7}u + table[(x + {n}) % 5000];\n"
                  for n in range(5))
        + "  return x;\n}\n"
        for i in range(C_FUNCTIONS))
    calls = "".join(f"  x = f{i}(x);\n" for i in range(C_FUNCTIONS))
    return f"""#include "py/dynruntime.h"
static const uint32_t table[5000] = {{{table}}};
{functions}
static mp_obj_t attach(mp_obj_t board) {{
  uint32_t x = 1;
  (void)board;
{calls}
  return MP_OBJ_NEW_SMALL_INT(x & 0xffff);
}}
static MP_DEFINE_CONST_FUN_OBJ_1(attach_obj, attach);
mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {{
  MP_DYNRUNTIME_INIT_ENTRY
  mp_store_global(MP_QSTR_attach, MP_OBJ_FROM_PTR(&attach_obj));
  MP_DYNRUNTIME_INIT_EXIT
}}
"""


def python_source():
    functions = "".join(
        f"def f{i}(x):\n"
        + "".join(f"    x = (x ^ {i * 128 + n}) * {2 * n + 7} + (x >> {n % 7}) & 0xffff\n" for n in range(126))
        + "    return x\n"
        for i in range(PYTHON_FUNCTIONS))
    calls = "".join(f"    x = f{i}(x)\n" for i in range(PYTHON_FUNCTIONS))
    return f"{functions}\ndef attach(board):\n    x = 1\n{calls}    return x\n"


def build(out, deploy_driver):
    source = out / "source"
    source.mkdir(parents=True)
    (source / "big.c").write_text(c_source())
    (source / "big.py").write_text(python_source())
    subprocess.run([deploy_driver, "build", source, "--name", "big", "--arch", "x64,any", "--out", out], check=True,
                   stdout=subprocess.DEVNULL)
