#include "protocol/mpy/native.hpp"

namespace mpyd::mpy {
namespace {

// Entries of mp_fun_table (py/nativeglue.h) in .mpy sub-version 3.
constexpr std::uint32_t kFunctionTableEntries = 87;
// mp_obj_new_float_from_f, _from_d, mp_obj_get_float_to_f, _to_d.
constexpr std::uint32_t kFloatFunctionFirst = 60;
constexpr std::uint32_t kFloatFunctionLast = 63;

constexpr std::uint32_t kRelocationsEnd = 0xff;

// What a pointer is made to point to; the numbers are those of a relocation's upper seven bits,
// where below 6 the lowest bit says that a count follows.
enum class Target : std::uint8_t { text, rodata, bss, names, objects, functions, function };

struct Relocation {
  Target target{};
  std::uint32_t count = 1;
  std::uint32_t function = 0;  // Target::function: which
};

std::uint64_t load_word(Bytes bytes, std::size_t at, std::uint32_t word) {
  const std::uint64_t low = load_le32(bytes, at);
  return word == 4 ? low : low | std::uint64_t{load_le32(bytes, at + 4)} << 32;
}

class Relocator {
 public:
  Relocator(Arch arch, const Sections& sections, const Tables& tables)
      : sections_(sections), tables_(tables), word_(word_bytes(arch)) {
    words_left_ = (sections.text.left() + sections.rodata.left()) / word_;
  }

  Parsed<bool> run(Cursor& file) {
    bool floats = false;
    for (;;) {
      MPYD_TRY_ASSIGN(const std::uint32_t op, file.byte());
      if (op == kRelocationsEnd) return floats;
      if ((op & 1) != 0) MPYD_TRY(move_to(file));
      MPYD_TRY_ASSIGN(const Relocation relocation, read_relocation(file, op >> 1));
      MPYD_TRY(apply(file, relocation));
      floats = floats || (relocation.target == Target::function &&
                          relocation.function >= kFloatFunctionFirst &&
                          relocation.function <= kFloatFunctionLast);
    }
  }

 private:
  Parsed<void> move_to(Cursor& file) {
    MPYD_TRY_ASSIGN(const std::uint32_t place, file.number());
    section_ = (place & 1) != 0 ? sections_.rodata.bytes() : sections_.text.bytes();
    next_ = std::size_t{place >> 1} * word_;
    return {};
  }

  Parsed<Relocation> read_relocation(Cursor& file, std::uint32_t kind) const {
    Relocation out;
    if (kind >= 9) {
      out.target = Target::function;
      out.function = kind - 9;
      if (out.function >= kFunctionTableEntries)
        return file.malformed("it needs a function that MicroPython does not offer");
      return out;
    }
    if (kind >= 6) {
      out.target = kind == 6 ? Target::names : kind == 7 ? Target::objects : Target::functions;
      return out;
    }
    if ((kind & 1) != 0) {
      MPYD_TRY_ASSIGN(out.count, file.number());
    }
    out.target = static_cast<Target>(kind >> 1);
    if (out.target == Target::rodata && sections_.rodata.at_end())
      return file.malformed("it points into read-only data that it does not have");
    if (out.target == Target::bss && sections_.bss_bytes == 0)
      return file.malformed("it points into variables that it does not have");
    return out;
  }

  // The last place that a pointer to `target` may name, counted from its start.
  std::uint64_t extent_of(Target target) const {
    switch (target) {
      case Target::text:
        return sections_.text.left();
      case Target::rodata:
        return sections_.rodata.left();
      case Target::bss:
        return sections_.bss_bytes;
      case Target::names:
        return std::uint64_t{tables_.names} * 2;
      case Target::objects:
        return std::uint64_t{tables_.objects} * word_;
      case Target::functions:
        return std::uint64_t{kFunctionTableEntries} * word_;
      case Target::function:
        break;
    }
    return 0;  // the very function
  }

  Parsed<void> apply(Cursor& file, const Relocation& relocation) {
    if (relocation.count == 0 || relocation.count > words_left_)
      return file.malformed("it relocates more words than it has");
    words_left_ -= relocation.count;
    for (std::uint32_t i = 0; i < relocation.count; ++i, next_ += word_) {
      if (next_ > section_.size() || section_.size() - next_ < word_)
        return file.malformed("a relocation lies outside of its code and data");
      if (load_word(section_, next_, word_) > extent_of(relocation.target))
        return file.malformed("a relocated pointer leaves its code and data");
    }
    return {};
  }

  const Sections& sections_;
  const Tables& tables_;
  std::uint32_t word_;
  std::size_t words_left_;
  Bytes section_;  // empty until the first relocation says where
  std::size_t next_ = 0;
};

// Where a jump at the start of `text` leads, from the start; or none if it is no such jump.
struct Jump {
  bool known = false;
  std::int64_t target = 0;
};

std::int64_t sign_extend(std::uint32_t value, unsigned bits) {
  const std::uint32_t sign = 1U << (bits - 1);
  return std::int64_t{value ^ sign} - std::int64_t{sign};
}

Jump x86_jump(Bytes text) {
  if (load_u8(text, 0) != 0xe9) return {};
  return {true, sign_extend(load_le32(text, 1), 32) + 5};
}

// A short branch, or what mpy_ld.py makes of a long one: on armv6m a call between push and pop, on
// others a wide branch (both spelt with the older encoding of their halves).
Jump thumb_jump(Bytes text, bool wide) {
  const std::uint32_t first = load_le16(text, 0);
  if ((first & 0xf800) == 0xe000) return {true, sign_extend((first & 0x7ff) << 1, 12) + 4};
  const std::size_t at = wide ? 0 : 2;
  if (!wide && first != 0xb501) return {};
  const std::uint32_t high = load_le16(text, at);
  const std::uint32_t low = load_le16(text, at + 2);
  if ((high & 0xf800) != 0xf000 || (low & 0xf800) != (wide ? 0xb800 : 0xf800)) return {};
  return {true, sign_extend((high & 0x7ff) << 12 | (low & 0x7ff) << 1, 23) + 4 +
                    static_cast<std::int64_t>(at)};
}

Jump xtensa_jump(Bytes text) {
  const std::uint32_t op = load_le16(text, 0) | load_u8(text, 2) << 16;
  if ((op & 0x3f) != 6) return {};
  return {true, sign_extend(op >> 6, 18) + 4};
}

// auipc t6, upper; jalr zero, t6, lower.
Jump rv32_jump(Bytes text) {
  const std::uint32_t upper = load_le32(text, 0);
  const std::uint32_t lower = load_le32(text, 4);
  if ((upper & 0xfff) != 0xf97 || (lower & 0xfffff) != 0xf8067) return {};
  return {true, sign_extend(upper & 0xfffff000, 32) + sign_extend(lower >> 20, 12)};
}

constexpr std::size_t kJumpBytesMax = 8;  // enough text for any of them

}  // namespace

Parsed<void> check_entry(Arch arch, const Sections& sections) {
  const Bytes text = sections.text.bytes();
  if (text.size() < kJumpBytesMax) return sections.text.malformed("it has no code");
  Jump jump;
  switch (arch) {
    case Arch::x86:
    case Arch::x64:
      jump = x86_jump(text);
      break;
    case Arch::armv6m:
      jump = thumb_jump(text, false);
      break;
    case Arch::armv7m:
    case Arch::armv7em:
    case Arch::armv7emsp:
    case Arch::armv7emdp:
      jump = thumb_jump(text, true);
      break;
    case Arch::xtensa:
    case Arch::xtensawin:
      jump = xtensa_jump(text);
      break;
    case Arch::rv32imc:
      jump = rv32_jump(text);
      break;
    case Arch::armv6:
    case Arch::rv64imc:
    case Arch::bytecode:
      return {};
  }
  if (!jump.known)
    return sections.text.malformed("its code does not start with a jump to its entry");
  if (jump.target < 2 || jump.target >= static_cast<std::int64_t>(text.size()))
    return sections.text.malformed("the jump to its entry leaves its code");
  return {};
}

Parsed<bool> check_relocations(Cursor& file, Arch arch, const Sections& sections,
                               const Tables& tables) {
  return Relocator(arch, sections, tables).run(file);
}

bool loads_float_function(Arch arch, Bytes text) {
  const std::uint32_t word = word_bytes(arch);
  const auto is_float_entry = [word](std::uint32_t offset) {
    return offset >= kFloatFunctionFirst * word && offset <= kFloatFunctionLast * word &&
           offset % word == 0;
  };
  const bool thumb2 = arch >= Arch::armv7m && arch <= Arch::armv7emdp;
  const bool x86 = arch == Arch::x86 || arch == Arch::x64;
  if (!thumb2 && !x86 && arch != Arch::rv32imc) return false;
  const std::size_t step = x86 ? 1 : 2;
  for (std::size_t at = 0; at + 6 <= text.size(); at += step) {
    if (thumb2) {
      // LDR.W Rt, [Rn, #imm12]; from the stack or beside the code it is something else.
      const std::uint32_t base = load_le16(text, at) & 0xf;
      if ((load_le16(text, at) & 0xfff0) == 0xf8d0 && base != 13 && base != 15 &&
          is_float_entry(load_le16(text, at + 2) & 0xfff))
        return true;
    } else if (x86) {
      // CALL or JMP [reg + disp32] (FF /2, /4), MOV reg, [reg + disp32] (8B)
      const std::uint32_t op = load_u8(text, at);
      const std::uint32_t mode = load_u8(text, at + 1);
      const std::uint32_t kind = mode >> 3 & 7;
      if (mode >> 6 == 2 && (mode & 7) != 4 &&
          (op == 0x8b || (op == 0xff && (kind == 2 || kind == 4))) &&
          is_float_entry(load_le32(text, at + 2)))
        return true;
    } else {
      // LW rd, imm(rs); from the stack, or behind AUIPC rs (a GOT entry), it is something else.
      const std::uint32_t instruction = load_le32(text, at);
      const std::uint32_t base = instruction >> 15 & 0x1f;
      const bool is_got = at >= 4 && (load_le32(text, at - 4) & 0xfff) == (base << 7 | 0x17);
      if ((instruction & 0x707f) == 0x2003 && is_float_entry(instruction >> 20) && base != 2 &&
          !is_got)
        return true;
    }
  }
  return false;
}

}  // namespace mpyd::mpy
