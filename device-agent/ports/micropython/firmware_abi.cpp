#include "device-agent/ports/micropython/firmware_abi.hpp"

extern "C" {
#include "py/persistentcode.h"
#include "py/smallint.h"
}

namespace mpyd::agent {
namespace {

// `sys.implementation._mpy` does not say how floats are passed; the compiler does.
constexpr FloatAbi float_abi() {
#if MICROPY_FLOAT_IMPL == MICROPY_FLOAT_IMPL_NONE
  return FloatAbi::none;
#elif defined(__arm__) && !defined(__ARM_PCS_VFP)
  return FloatAbi::soft;
#elif defined(__riscv) && defined(__riscv_float_abi_soft)
  return FloatAbi::soft;
#elif defined(__xtensa__)
  return FloatAbi::soft;
#else
  return FloatAbi::hard;
#endif
}

constexpr ObjectRepr object_repr() {
#if MICROPY_OBJ_REPR == MICROPY_OBJ_REPR_A
  return ObjectRepr::a;
#elif MICROPY_OBJ_REPR == MICROPY_OBJ_REPR_B
  return ObjectRepr::b;
#elif MICROPY_OBJ_REPR == MICROPY_OBJ_REPR_C
  return ObjectRepr::c;
#else
  return ObjectRepr::d;
#endif
}

// The best Thumb code this core runs; elsewhere MicroPython's own arch says it all.
constexpr Arch core() {
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
  return Arch::armv6m;
#elif defined(__thumb__) && !defined(__ARM_FEATURE_DSP)
  return Arch::armv7m;
#elif defined(__thumb__) && defined(__ARM_FP) && (__ARM_FP & 8)
  return Arch::armv7emdp;
#elif defined(__thumb__) && defined(__ARM_FP)
  return Arch::armv7emsp;
#elif defined(__thumb__)
  return Arch::armv7em;
#else
  return Arch::bytecode;
#endif
}

// The flags of newer MicroPython's .mpy headers; MPY_FEATURE_ARCH_FLAGS appeared with them.
constexpr std::uint32_t arch_flags() {
#ifdef MPY_FEATURE_ARCH_FLAGS
  return MPY_FEATURE_ARCH_FLAGS;
#else
  return 0;
#endif
}

}  // namespace

Abi firmware_abi() {
  return Abi{.mpy_version = MPY_VERSION,
             .sub_version = MPY_SUB_VERSION,
             .arch = static_cast<Arch>(MPY_FEATURE_ARCH),
             .arch_flags = arch_flags(),
             .small_int_bits = MP_SMALL_INT_BITS,
             .float_abi = float_abi(),
             .object_repr = object_repr(),
             .core = core()};
}

}  // namespace mpyd::agent
