// What native code must match, and the one function that decides it: Abi::accepts.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/inline_buffer.hpp"

namespace mpyd {

// MicroPython's MP_NATIVE_ARCH_* (py/persistentcode.h); stored in packages, never renumbered.
enum class Arch : std::uint8_t {
  bytecode = 0,
  x86 = 1,
  x64 = 2,
  armv6 = 3,
  armv6m = 4,
  armv7m = 5,
  armv7em = 6,
  armv7emsp = 7,
  armv7emdp = 8,
  xtensa = 9,
  xtensawin = 10,
  rv32imc = 11,
  rv64imc = 12,
};

// How floats cross MicroPython's function table. `none`: no float does.
enum class FloatAbi : std::uint8_t { unspecified = 0, none = 1, soft = 2, hard = 3 };
// MICROPY_OBJ_REPR_*.
enum class ObjectRepr : std::uint8_t { unspecified = 0, a = 1, b = 2, c = 3, d = 4 };

// RV32 extension flags of a .mpy header.
inline constexpr std::uint32_t kFlagZba = 1;
inline constexpr std::uint32_t kFlagZcmp = 2;

// What mpy-cross and mpy_ld.py write into every .mpy unless told otherwise: the small integers of a
// 32-bit MicroPython.
inline constexpr std::uint8_t kSmallIntBitsDefault = 31;

// Why a module does not fit, in the order in which it is tested.
enum class AbiMismatch : std::uint8_t {
  mpy_version,
  sub_version,
  small_int_bits,
  arch,
  core,
  arch_flags,
  object_repr,
  float_abi,
};

using AbiText = InlineText<64>;
using AbiReason = InlineText<160>;

// Of a module: what it was built for. Of a device: what its firmware offers.
struct Abi {
  std::uint8_t mpy_version = 0;
  std::uint8_t sub_version = 0;
  Arch arch = Arch::bytecode;
  std::uint32_t arch_flags = 0;
  std::uint8_t small_int_bits = 0;
  FloatAbi float_abi = FloatAbi::unspecified;
  ObjectRepr object_repr = ObjectRepr::unspecified;
  // Devices only: the core the firmware was compiled for. It bounds the Thumb range from above,
  // because a soft-float Thumb-2 build reports armv7em even on a Cortex-M3. `bytecode`: not known,
  // then `arch` is the bound.
  Arch core = Arch::bytecode;

  bool is_native() const { return arch != Arch::bytecode; }

  // As the device: does a module of this ABI run here? The error says why not.
  Result<void, AbiMismatch> accepts(const Abi& module) const;

  friend bool operator==(const Abi&, const Abi&) = default;
};

// Among acceptable modules the larger wins: the closest arch first, bytecode last; of one arch the
// one that uses more of it (extension flags, floats, wider small integers).
int specificity(const Abi& module);

// Fills what a module's .mpy header does not say from the one table of defaults per arch (float
// ABI, object representation, small-int bits), where `abi` leaves it unspecified.
Abi with_defaults(Abi abi);

// "armv6m" etc.; "any" for bytecode.
std::string_view arch_name(Arch arch);
Result<Arch> parse_arch(std::string_view name);  // malformed

// The text form of a module's ABI: `6.3-armv7emsp`, with what is not default appended: `-nofp`,
// `-softfp`, `-hardfp`, `-reprA` to `-reprD`, `-zba`, `-zcmp`, `-int63` (small-int bits); bytecode
// `6-any`, where only the small-int bits matter. One ABI has one text.
AbiText format_abi(const Abi& module);
Result<Abi> parse_abi(std::string_view text);  // malformed

// The same for a motherboard's firmware: there the small-int bits default to those of the arch (31,
// or 63 on 64-bit ones), and `-core.armv7m` is appended where the core bounds the Thumb range.
AbiText format_device_abi(const Abi& device);
Result<Abi> parse_device_abi(std::string_view text);  // malformed

// One plain sentence, the same on server and device.
AbiReason describe(AbiMismatch why, const Abi& device, const Abi& module);

}  // namespace mpyd
