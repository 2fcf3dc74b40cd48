// The little of a C++ run time that code without exceptions still refers to: firmware has no
// libstdc++. Weak, for firmware that has.
extern "C" [[noreturn]] __attribute__((weak)) void __cxa_pure_virtual() { __builtin_trap(); }
