// Is a .mpy file one that MicroPython's loader can be given? The loader checks its four first bytes
// and then follows lengths, counts and offsets wherever they lead (py/persistentcode.c): a damaged
// file hangs or crashes the motherboard. So everything the loader follows is checked here, by
// publisher and server, before anyone signs or stores the file.
#pragma once

#include "protocol/abi.hpp"
#include "protocol/inline_buffer.hpp"
#include "protocol/mpy/cursor.hpp"

namespace mpyd::mpy {

// Bounds that keep reading and loading in proportion. A function nested in a function takes one
// level of the loader's own recursion on the device's stack, and so does a tuple in a tuple.
inline constexpr unsigned kFunctionDepthMax = 16;
inline constexpr unsigned kTupleDepthMax = 8;
inline constexpr std::uint32_t kTableEntriesMax = 0xffff;  // MicroPython counts in 16 bits
// MicroPython compares each name with all it knows, and never forgets one.
inline constexpr std::uint32_t kNamesMax = 4096;
inline constexpr std::uint32_t kNameBytesMax = 255;   // MICROPY_QSTR_BYTES_IN_LEN = 1
inline constexpr std::uint32_t kIntDigitsMax = 1024;  // reading them takes quadratic time
inline constexpr std::uint32_t kFloatCharsMax = 64;
inline constexpr std::uint32_t kBssBytesMax = 1U << 20;
inline constexpr std::size_t kNamesListed = 48;

// How functions become visible to the application.
enum class Exports : std::uint8_t {
  exact,      // the body is bytecode: `names` are those it stores
  mentioned,  // the body is machine code: `names` are all it knows, exports among them
};

struct Facts {
  Abi abi;  // float ABI and object representation unspecified: no file says them
  std::uint32_t text_bytes = 0;  // machine code
  std::uint32_t bytecode_bytes = 0;
  std::uint32_t rodata_bytes = 0;
  std::uint32_t bss_bytes = 0;
  std::uint32_t functions = 0;  // raw-code objects, the module's body included
  // What MicroPython allocates at least to load it, on a device with this ABI's pointers (bytecode:
  // of 4 bytes). Names count nothing, for the firmware may know them already, and neither does what
  // the module allocates when it runs: a motherboard refuses a driver that needs more than it has
  // free.
  std::uint32_t ram_bytes = 0;
  // Machine code was seen to fetch a function that takes or returns a C float; such a module's
  // float ABI is not `none`. False proves nothing.
  bool floats_cross = false;
  Exports exports = Exports::exact;
  // At most kNamesListed of `names_total`; views into the file, in its order, UTF-8. Names that
  // every MicroPython knows by number are counted but not listed.
  InlineVector<std::string_view, kNamesListed> names;
  std::uint32_t names_total = 0;
};

// Errors: truncated, trailing, bad_magic, unsupported, malformed, limit; with the place.
Parsed<Facts> inspect(Bytes file);

}  // namespace mpyd::mpy
