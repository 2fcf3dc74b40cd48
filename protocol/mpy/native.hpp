// Machine code of a native module: its entry and its relocations (py/persistentcode.c,
// mp_native_relocate; tools/mpy_ld.py). MicroPython follows both without a look.
#pragma once

#include "protocol/abi.hpp"
#include "protocol/mpy/bytecode.hpp"

namespace mpyd::mpy {

// Bytes of a pointer.
constexpr std::uint32_t word_bytes(Arch arch) {
  return arch == Arch::x64 || arch == Arch::rv64imc ? 8 : 4;
}

// The sections of one native module.
struct Sections {
  Cursor text;
  Cursor rodata;
  std::uint32_t bss_bytes = 0;
};

// mpy_ld.py starts the text with a jump to mpy_init. Errors: malformed (it is none, or it leaves
// the text). Architectures whose jump is not known here (armv6, rv64imc) pass.
Parsed<void> check_entry(Arch arch, const Sections& sections);

// Reads the relocations up to their end mark: every place within text or rodata, every pointer
// within the section, table or function table that it is made to point to, no more relocations than
// there are words. True if one of them fetches a function that takes or returns a C float.
// Errors: truncated, malformed.
Parsed<bool> check_relocations(Cursor& file, Arch arch, const Sections& sections,
                               const Tables& tables);

// Does it look as if the text loaded a function that takes or returns a C float from MicroPython's
// function table? True if there is a load instruction as compilers make them of
// `mp_fun_table.obj_get_float_to_f` and its three siblings; one that reads another structure at the
// same distance looks alike. Known for Thumb-2, RV32 and x86; false elsewhere.
bool loads_float_function(Arch arch, Bytes text);

}  // namespace mpyd::mpy
