#include "protocol/abi.hpp"

#include <array>

#include "protocol/decimal.hpp"

namespace mpyd {
namespace {

struct ArchRow {
  Arch arch;
  std::string_view name;
  FloatAbi float_abi;  // of modules built by py/dynruntime.mk without overrides
};

// clang-format off
constexpr ArchRow kArchs[] = {
    {Arch::bytecode,  "any",       FloatAbi::unspecified},
    {Arch::x86,       "x86",       FloatAbi::hard},
    {Arch::x64,       "x64",       FloatAbi::hard},
    {Arch::armv6,     "armv6",     FloatAbi::soft},
    {Arch::armv6m,    "armv6m",    FloatAbi::none},
    {Arch::armv7m,    "armv7m",    FloatAbi::none},
    {Arch::armv7em,   "armv7em",   FloatAbi::soft},
    {Arch::armv7emsp, "armv7emsp", FloatAbi::hard},
    {Arch::armv7emdp, "armv7emdp", FloatAbi::hard},
    {Arch::xtensa,    "xtensa",    FloatAbi::none},
    {Arch::xtensawin, "xtensawin", FloatAbi::soft},
    {Arch::rv32imc,   "rv32imc",   FloatAbi::none},
    {Arch::rv64imc,   "rv64imc",   FloatAbi::soft},
};

struct SuffixRow {
  std::string_view text;
  FloatAbi float_abi;
  ObjectRepr object_repr;
  std::uint32_t flag;
};
constexpr SuffixRow kSuffixes[] = {
    {"nofp",   FloatAbi::none,        ObjectRepr::unspecified, 0},
    {"softfp", FloatAbi::soft,        ObjectRepr::unspecified, 0},
    {"hardfp", FloatAbi::hard,        ObjectRepr::unspecified, 0},
    {"reprA",  FloatAbi::unspecified, ObjectRepr::a,           0},
    {"reprB",  FloatAbi::unspecified, ObjectRepr::b,           0},
    {"reprC",  FloatAbi::unspecified, ObjectRepr::c,           0},
    {"reprD",  FloatAbi::unspecified, ObjectRepr::d,           0},
    {"zba",    FloatAbi::unspecified, ObjectRepr::unspecified, kFlagZba},
    {"zcmp",   FloatAbi::unspecified, ObjectRepr::unspecified, kFlagZcmp},
};
// clang-format on

constexpr const ArchRow* find_arch(Arch arch) {
  for (const ArchRow& row : kArchs)
    if (row.arch == arch) return &row;
  return nullptr;
}

constexpr bool is_thumb(Arch arch) { return arch >= Arch::armv6m && arch <= Arch::armv7emdp; }

std::string_view float_name(FloatAbi abi) {
  constexpr std::array<std::string_view, 4> kNames = {"unspecified", "no", "soft", "hard"};
  return kNames[static_cast<std::size_t>(abi) & 3];
}

template <std::size_t N>
void append_version(InlineText<N>& out, const Abi& abi) {
  append_decimal(out, abi.mpy_version);
  if (!abi.is_native()) return;
  out.append('.');
  append_decimal(out, abi.sub_version);
}

// One decimal number below 256 at the front of `text`, which loses it.
Result<std::uint8_t> take_number(std::string_view& text) {
  std::uint32_t value = 0;
  std::size_t used = 0;
  while (used < text.size() && text[used] >= '0' && text[used] <= '9') {
    value = value * 10 + static_cast<std::uint32_t>(text[used++] - '0');
    if (value > 255) return fail(Errc::malformed);
  }
  // One number has one text.
  if (used == 0 || (used > 1 && text[0] == '0')) return fail(Errc::malformed);
  text.remove_prefix(used);
  return static_cast<std::uint8_t>(value);
}

bool accepts_arch(Arch device, Arch module) {
  if (is_thumb(device) && is_thumb(module)) return module <= device;
  return module == device;
}

// Small integers of a MicroPython on this arch: one bit of a word marks them.
std::uint8_t native_small_int_bits(Arch arch) {
  return arch == Arch::x64 || arch == Arch::rv64imc ? 63 : 31;
}

// `-core.NAME` says something only if it takes something away.
bool core_bounds(const Abi& device) {
  return is_thumb(device.arch) && device.core != Arch::bytecode && device.core < device.arch;
}

// Floats and the object representation matter to native code only.
bool is_native_suffix(const SuffixRow& row) {
  return row.float_abi != FloatAbi::unspecified || row.object_repr != ObjectRepr::unspecified ||
         row.flag != 0;
}

// Each suffix at most once, and no two of one kind: one ABI has one meaning.
Result<void> apply_row(Abi& abi, const SuffixRow& row) {
  if ((is_native_suffix(row) && !abi.is_native()) ||
      (row.float_abi != FloatAbi::unspecified && abi.float_abi != FloatAbi::unspecified) ||
      (row.object_repr != ObjectRepr::unspecified && abi.object_repr != ObjectRepr::unspecified) ||
      (row.flag & abi.arch_flags) != 0 || (row.flag != 0 && abi.arch != Arch::rv32imc))
    return fail(Errc::malformed);
  if (row.float_abi != FloatAbi::unspecified) abi.float_abi = row.float_abi;
  if (row.object_repr != ObjectRepr::unspecified) abi.object_repr = row.object_repr;
  abi.arch_flags |= row.flag;
  return {};
}

Result<void> apply_small_int_bits(Abi& abi, std::string_view digits) {
  if (abi.small_int_bits != 0 || digits.empty() || digits.front() == '0')
    return fail(Errc::malformed);
  MPYD_TRY_ASSIGN(abi.small_int_bits, take_number(digits));
  if (!digits.empty() || abi.small_int_bits > 63) return fail(Errc::malformed);
  return {};
}

Result<void> apply_core(Abi& abi, std::string_view name) {
  if (abi.core != Arch::bytecode) return fail(Errc::malformed);
  MPYD_TRY_ASSIGN(abi.core, parse_arch(name));
  if (!core_bounds(abi) || !is_thumb(abi.core)) return fail(Errc::malformed);
  return {};
}

Result<void> apply_suffix(Abi& abi, std::string_view suffix, bool is_device) {
  constexpr std::string_view kInt = "int";
  constexpr std::string_view kCore = "core.";
  for (const SuffixRow& row : kSuffixes)
    if (row.text == suffix) return apply_row(abi, row);
  if (suffix.starts_with(kInt)) return apply_small_int_bits(abi, part_of(suffix, kInt.size()));
  if (is_device && suffix.starts_with(kCore)) return apply_core(abi, part_of(suffix, kCore.size()));
  return fail(Errc::malformed);
}

// What stands in `text`; what it does not say is left unspecified.
Result<Abi> parse_text(std::string_view text, bool is_device) {
  Abi abi;
  MPYD_TRY_ASSIGN(abi.mpy_version, take_number(text));
  const bool has_sub_version = !text.empty() && text[0] == '.';
  if (has_sub_version) {
    text.remove_prefix(1);
    MPYD_TRY_ASSIGN(abi.sub_version, take_number(text));
  }
  if (text.empty() || text[0] != '-') return fail(Errc::malformed);
  text.remove_prefix(1);
  std::size_t dash = text.find('-');
  MPYD_TRY_ASSIGN(abi.arch, parse_arch(part_of(text, 0, dash)));
  if (abi.is_native() != has_sub_version) return fail(Errc::malformed);
  while (dash != std::string_view::npos) {
    text.remove_prefix(dash + 1);
    dash = text.find('-');
    MPYD_TRY(apply_suffix(abi, part_of(text, 0, dash), is_device));
  }
  return abi;
}

AbiText format_text(const Abi& abi, std::uint8_t small_int_bits_default) {
  AbiText out;
  append_version(out, abi);
  out.append('-');
  out.append(arch_name(abi.arch));
  const Abi defaults = with_defaults(Abi{.arch = abi.arch});
  for (const SuffixRow& row : kSuffixes) {
    const bool applies =
        (row.float_abi != FloatAbi::unspecified && row.float_abi == abi.float_abi &&
         abi.float_abi != defaults.float_abi) ||
        (row.object_repr != ObjectRepr::unspecified && row.object_repr == abi.object_repr &&
         abi.object_repr != defaults.object_repr) ||
        (row.flag & abi.arch_flags) != 0;
    if (!applies || !abi.is_native()) continue;
    out.append('-');
    out.append(row.text);
  }
  if (abi.small_int_bits != 0 && abi.small_int_bits != small_int_bits_default) {
    out.append("-int");
    append_decimal(out, abi.small_int_bits);
  }
  return out;
}

}  // namespace

Result<void, AbiMismatch> Abi::accepts(const Abi& module) const {
  if (module.mpy_version != mpy_version) return fail(AbiMismatch::mpy_version);
  // Firmware without native code has no sub-version worth telling.
  if (module.is_native() && !is_native()) return fail(AbiMismatch::arch);
  if (module.is_native() && module.sub_version != sub_version)
    return fail(AbiMismatch::sub_version);
  if (module.small_int_bits > small_int_bits) return fail(AbiMismatch::small_int_bits);
  if (!module.is_native()) return {};
  if (!accepts_arch(arch, module.arch)) return fail(AbiMismatch::arch);
  if (core != Arch::bytecode && !accepts_arch(core, module.arch)) return fail(AbiMismatch::core);
  if ((module.arch_flags & ~arch_flags) != 0) return fail(AbiMismatch::arch_flags);
  if (module.object_repr != object_repr) return fail(AbiMismatch::object_repr);
  if (module.float_abi != FloatAbi::none && module.float_abi != float_abi)
    return fail(AbiMismatch::float_abi);
  return {};
}

int specificity(const Abi& module) {
  if (!module.is_native()) return module.small_int_bits;
  int flags = 0;
  for (std::uint32_t bits = module.arch_flags; bits != 0; bits &= bits - 1) ++flags;
  const int floats = module.float_abi == FloatAbi::none ? 0 : 1;
  // Each term outweighs all behind it: at most 32 flags, of which two are assigned, and 63 bits.
  int out = static_cast<int>(module.arch) * 33 + flags;
  out = out * 4 + static_cast<int>(module.arch_flags & (kFlagZba | kFlagZcmp));
  return (out * 2 + floats) * 64 + module.small_int_bits;
}

Abi with_defaults(Abi abi) {
  if (abi.small_int_bits == 0) abi.small_int_bits = kSmallIntBitsDefault;
  const ArchRow* row = find_arch(abi.arch);
  if (!row || !abi.is_native()) return abi;
  if (abi.float_abi == FloatAbi::unspecified) abi.float_abi = row->float_abi;
  if (abi.object_repr == ObjectRepr::unspecified) abi.object_repr = ObjectRepr::a;
  return abi;
}

std::string_view arch_name(Arch arch) {
  const ArchRow* row = find_arch(arch);
  return row ? row->name : "unknown";
}

Result<Arch> parse_arch(std::string_view name) {
  for (const ArchRow& row : kArchs)
    if (row.name == name) return row.arch;
  return fail(Errc::malformed);
}

AbiText format_abi(const Abi& module) { return format_text(module, kSmallIntBitsDefault); }

Result<Abi> parse_abi(std::string_view text) {
  return parse_text(text, false).map([](const Abi& abi) { return with_defaults(abi); });
}

AbiText format_device_abi(const Abi& device) {
  AbiText out = format_text(device, native_small_int_bits(device.arch));
  if (core_bounds(device)) {
    out.append("-core.");
    out.append(arch_name(device.core));
  }
  return out;
}

Result<Abi> parse_device_abi(std::string_view text) {
  MPYD_TRY_ASSIGN(Abi abi, parse_text(text, true));
  if (abi.small_int_bits == 0) abi.small_int_bits = native_small_int_bits(abi.arch);
  if (abi.core == Arch::bytecode) abi.core = abi.arch;
  return with_defaults(abi);
}

AbiReason describe(AbiMismatch why, const Abi& device, const Abi& module) {
  AbiReason out;
  out.append("the file ");
  switch (why) {
    case AbiMismatch::mpy_version:
    case AbiMismatch::sub_version:
      out.append("has .mpy version ");
      append_version(out, module);
      out.append(", this firmware reads ");
      append_decimal(out, device.mpy_version);
      if (module.is_native()) {
        out.append('.');
        append_decimal(out, device.sub_version);
      }
      break;
    case AbiMismatch::small_int_bits:
      out.append("needs small integers of ");
      append_decimal(out, module.small_int_bits);
      out.append(" bits, this firmware has ");
      append_decimal(out, device.small_int_bits);
      break;
    case AbiMismatch::arch:
      out.append("is native code for ");
      out.append(arch_name(module.arch));
      out.append(device.is_native() ? ", this motherboard is "
                                    : ", this firmware runs bytecode only");
      if (device.is_native()) out.append(arch_name(device.arch));
      break;
    case AbiMismatch::core:
      out.append("is native code for ");
      out.append(arch_name(module.arch));
      out.append(", but this motherboard's core is ");
      out.append(arch_name(device.core));
      out.append(" whatever its firmware reports");
      break;
    case AbiMismatch::arch_flags:
      out.append("uses instruction set extensions this motherboard lacks");
      break;
    case AbiMismatch::object_repr:
      out.append(
          "was built for another object representation (MICROPY_OBJ_REPR) than this firmware");
      break;
    case AbiMismatch::float_abi:
      out.append("passes floats by the ");
      out.append(float_name(module.float_abi));
      out.append("-float ABI, this firmware ");
      if (device.float_abi == FloatAbi::none) {
        out.append("has no floats");
        break;
      }
      out.append("by the ");
      out.append(float_name(device.float_abi));
      out.append("-float ABI");
      break;
  }
  return out;
}

}  // namespace mpyd
