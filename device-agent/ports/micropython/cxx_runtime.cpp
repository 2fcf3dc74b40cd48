// The little of a C++ run time that code without exceptions still refers to: firmware has no
// libstdc++. Weak, for firmware that has.
#include <cstddef>

namespace std {
// string_view::substr past the end: a programmer's error, like a failed assertion.
[[noreturn]] __attribute__((weak)) void __throw_out_of_range_fmt(const char*, ...) {
  __builtin_trap();
}
}  // namespace std

extern "C" [[noreturn]] __attribute__((weak)) void __cxa_pure_virtual() { __builtin_trap(); }
