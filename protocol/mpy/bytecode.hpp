// One function's bytecode, or the prelude beside its machine code (MicroPython py/bc.h, py/bc0.h).
#pragma once

#include "protocol/mpy/cursor.hpp"

namespace mpyd::mpy {

// How many entries the tables have that code refers to by index.
struct Tables {
  std::uint32_t names = 0;    // qstrs
  std::uint32_t objects = 0;  // constants
};

// What precedes a function's code: its arguments and its frame.
struct Prelude {
  std::uint32_t state = 0;      // words of the frame: arguments, locals and stack
  std::uint32_t flags = 0;      // MP_SCOPE_FLAG_*, the four of a signature
  std::uint32_t arguments = 0;  // positional and keyword-only ones
};

// Told what a module's body stores under a name: the names the module exports.
class NameSink {
 public:
  virtual void stores(std::uint32_t name) = 0;  // index of a qstr

 protected:
  ~NameSink() = default;
};

// Reads a prelude; the cursor is then at the code. Errors: truncated, malformed, limit.
Parsed<Prelude> read_prelude(Cursor& code, const Tables& tables);

// Walks the bytecode to its end: known instructions only, every index within its table, every local
// within the frame, every jump within the function, and no way to run off the end. (That the stack
// is used evenly is the compiler's word: a publisher signs for it.)
// Returns how many child functions it refers to. Errors: truncated, malformed.
Parsed<std::uint32_t> check_bytecode(Cursor code, const Prelude& prelude, const Tables& tables,
                                     NameSink* exports);

}  // namespace mpyd::mpy
