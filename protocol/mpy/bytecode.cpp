#include "protocol/mpy/bytecode.hpp"

namespace mpyd::mpy {
namespace {

// MP_SCOPE_FLAG_VARKEYWORDS and _VARARGS: `**kw` and `*args` each take a place in the frame.
constexpr std::uint32_t kVarKeywords = 0x02;
constexpr std::uint32_t kVarArgs = 0x04;
constexpr std::uint32_t kSignatureFlags = 0x0f;
// Continuation bytes of a signature: 2 bits of the frame's size each, so frames up to 2^14 words.
constexpr unsigned kSignatureBytesMax = 6;
// Of the sizes behind it: 1 bit of the number of closed-over variables each, so up to 255 of those.
constexpr unsigned kSizesBytesMax = 8;

enum Opcode : std::uint32_t {
  kMakeClosure = 0x20,
  kMakeClosureDefargs = 0x21,
  kLoadConstObj = 0x23,
  kLoadFastN = 0x24,
  kLoadDeref = 0x25,
  kStoreFastN = 0x26,
  kStoreDeref = 0x27,
  kDeleteFast = 0x28,
  kDeleteDeref = 0x29,
  kStoreName = 0x16,
  kStoreGlobal = 0x17,
  kMakeFunction = 0x32,
  kMakeFunctionDefargs = 0x33,
  kUnwindJump = 0x40,
  kJump = 0x42,
  kPopJumpIfFalse = 0x44,
  kPopExceptJump = 0x4a,
  kReturnValue = 0x63,
  kRaiseFrom = 0x66,
  kLoadFastMulti = 0xb0,
  kStoreFastMulti = 0xc0,
  kUnaryOpMulti = 0xd0,
};

// The opcodes that exist, as ranges; a change of this list is a change of the .mpy version.
constexpr bool is_known(std::uint32_t op) {
  return (op >= 0x10 && op <= 0x1c) || (op >= 0x20 && op <= 0x37) || op == kUnwindJump ||
         (op >= kJump && op <= 0x4b) || (op >= 0x50 && op <= 0x5f) || (op >= 0x62 && op <= 0x69) ||
         (op >= 0x70 && op <= 0xf9);
}

enum class Operand : std::uint8_t { none, name, number, offset };

// MP_BC_FORMAT: the operand follows from the upper four bits.
constexpr Operand operand_of(std::uint32_t op) {
  switch (op >> 4) {
    case 1:
      return Operand::name;
    case 2:
    case 3:
      return Operand::number;
    case 4:
      return Operand::offset;
    default:
      return Operand::none;
  }
}

// MP_BC_MASK_EXTRA_BYTE: closures say how many variables they close over, an unwinding jump how
// many handlers it leaves.
constexpr bool has_extra_byte(std::uint32_t op) { return (op & 0x9e) == 0; }

// A LOAD_CONST_SMALL_INT may have any bits, so its operand is read without the rules of a vuint.
Parsed<void> skip_small_int(Cursor& code) {
  for (unsigned bytes = 0; bytes < 10; ++bytes) {
    MPYD_TRY_ASSIGN(const std::uint32_t group, code.byte());
    if ((group & 0x80) == 0) return {};
  }
  return code.malformed("a small integer has more than 64 bits");
}

class Walker {
 public:
  Walker(Cursor code, const Prelude& prelude, const Tables& tables, NameSink* exports)
      : code_(code),
        begin_(code.offset()),
        end_(code.offset() + code.left()),
        state_(prelude.state),
        tables_(tables),
        exports_(exports) {}

  Parsed<std::uint32_t> walk() {
    std::uint32_t last = 0;
    while (!code_.at_end()) {
      MPYD_TRY_ASSIGN(last, code_.byte());
      if (!is_known(last)) return code_.malformed("there is no such instruction");
      MPYD_TRY(check_operand(last));
    }
    const bool leaves = last == kJump || last == kPopExceptJump || last == kUnwindJump ||
                        (last >= kReturnValue && last <= kRaiseFrom);
    if (!leaves) return code_.malformed("a function's code runs off its end");
    return children_;
  }

 private:
  static constexpr std::uint32_t kSmallInt = 0x22;

  Parsed<void> check_operand(std::uint32_t op) {
    if (op == kSmallInt) return skip_small_int(code_);
    switch (operand_of(op)) {
      case Operand::none:
        return check_fast(op);
      case Operand::name: {
        MPYD_TRY_ASSIGN(const std::uint32_t name, code_.number());
        if (name >= tables_.names) return code_.malformed("an instruction names no known name");
        if (exports_ != nullptr && (op == kStoreName || op == kStoreGlobal)) exports_->stores(name);
        return {};
      }
      case Operand::number:
        return check_number(op);
      case Operand::offset:
        return check_jump(op);
    }
    return {};
  }

  Parsed<void> check_fast(std::uint32_t op) {
    if (op < kLoadFastMulti || op >= kUnaryOpMulti) return {};
    return check_local(op & 0xf);
  }

  Parsed<void> check_local(std::uint32_t index) {
    if (index >= state_) return code_.malformed("an instruction uses a variable beyond its frame");
    return {};
  }

  Parsed<void> check_number(std::uint32_t op) {
    MPYD_TRY_ASSIGN(const std::uint32_t number, code_.number());
    if (has_extra_byte(op)) MPYD_TRY(code_.byte());
    switch (op) {
      case kLoadConstObj:
        if (number >= tables_.objects) return code_.malformed("an instruction names no constant");
        return {};
      case kLoadFastN:
      case kLoadDeref:
      case kStoreFastN:
      case kStoreDeref:
      case kDeleteFast:
      case kDeleteDeref:
        return check_local(number);
      case kMakeFunction:
      case kMakeFunctionDefargs:
      case kMakeClosure:
      case kMakeClosureDefargs:
        // How many there are is read after the code; one byte each is the least they take.
        if (number >= 0xffff) return code_.malformed("an instruction names no function");
        if (number >= children_) children_ = number + 1;
        return {};
      default:
        return {};
    }
  }

  Parsed<void> check_jump(std::uint32_t op) {
    MPYD_TRY_ASSIGN(std::uint32_t distance, code_.byte());
    std::uint32_t bias = 0x40;
    if ((distance & 0x80) != 0) {
      MPYD_TRY_ASSIGN(const std::uint32_t upper, code_.byte());
      distance = (distance & 0x7f) | upper << 7;
      bias = 0x4000;
    }
    const std::size_t from = code_.offset();
    if (has_extra_byte(op)) MPYD_TRY(code_.byte());
    // Loops jump backwards; what sets up a handler or skips an alternative only forwards.
    if (op > kPopJumpIfFalse) bias = 0;
    const std::size_t target = from + distance;
    if (target < begin_ + bias || target - bias >= end_)
      return code_.malformed("a jump leaves its function");
    return {};
  }

  Cursor code_;
  std::size_t begin_;
  std::size_t end_;
  std::uint32_t state_;
  Tables tables_;
  NameSink* exports_;
  std::uint32_t children_ = 0;
};

struct Signature {
  std::uint32_t state, flags, positional, keyword, defaults;
};

// MP_BC_PRELUDE_SIG_DECODE: xSSSSEAA, then xFSSKAED as long as bit 7 says so.
Parsed<Signature> read_signature(Cursor& code) {
  MPYD_TRY_ASSIGN(std::uint32_t z, code.byte());
  Signature out{z >> 3 & 0xf, 0, z & 3, 0, 0};
  for (unsigned n = 0; (z & 0x80) != 0; ++n) {
    if (n == kSignatureBytesMax) return code.fault(Errc::limit, "a function's frame is too large");
    MPYD_TRY_ASSIGN(z, code.byte());
    out.state |= (z & 0x30) << (2 * n);
    out.flags |= (z >> 6 & 1) << n;
    out.positional |= (z & 4) << n;
    out.keyword |= (z >> 3 & 1) << n;
    out.defaults |= (z & 1) << n;
  }
  ++out.state;
  return out;
}

Parsed<void> check_signature(const Cursor& code, const Signature& s) {
  if ((s.flags & ~kSignatureFlags) != 0) return code.malformed("a function has unknown flags");
  const std::uint32_t places = s.positional + s.keyword + ((s.flags & kVarArgs) != 0 ? 1U : 0U) +
                               ((s.flags & kVarKeywords) != 0 ? 1U : 0U);
  if (places > s.state) return code.malformed("a function has more arguments than its frame holds");
  if (s.defaults > s.positional)
    return code.malformed("a function has more defaults than arguments");
  return {};
}

struct PreludeSizes {
  std::uint32_t info, cells;
};

// MP_BC_PRELUDE_SIZE_DECODE: xIIIIIIC.
Parsed<PreludeSizes> read_sizes(Cursor& code) {
  PreludeSizes out{};
  std::uint32_t z = 0x80;
  for (unsigned n = 0; (z & 0x80) != 0; ++n) {
    if (n == kSizesBytesMax) return code.fault(Errc::limit, "a function closes over too much");
    MPYD_TRY_ASSIGN(z, code.byte());
    const std::uint32_t info = z >> 1 & 0x3f;
    if (n >= 5 && info != 0)
      return code.fault(Errc::limit, "a function's line numbers are too long");
    if (n < 5) out.info |= info << (6 * n);
    out.cells |= (z & 1) << n;
  }
  return out;
}

}  // namespace

Parsed<Prelude> read_prelude(Cursor& code, const Tables& tables) {
  MPYD_TRY_ASSIGN(const Signature signature, read_signature(code));
  MPYD_TRY(check_signature(code, signature));
  MPYD_TRY_ASSIGN(const PreludeSizes sizes, read_sizes(code));
  MPYD_TRY_ASSIGN(Cursor info, code.part(sizes.info));
  const std::uint32_t arguments = signature.positional + signature.keyword;
  // The function's own name, then those of its arguments; line numbers fill the rest.
  for (std::uint32_t i = 0; i <= arguments; ++i) {
    MPYD_TRY_ASSIGN(const std::uint32_t name, info.number());
    if (name >= tables.names) return info.malformed("a function or argument has no known name");
  }
  MPYD_TRY_ASSIGN(Cursor cells, code.part(sizes.cells));
  while (!cells.at_end()) {
    MPYD_TRY_ASSIGN(const std::uint32_t local, cells.byte());
    if (local >= signature.state)
      return cells.malformed("a closed-over variable lies beyond the frame");
  }
  return Prelude{signature.state, signature.flags, arguments};
}

Parsed<std::uint32_t> check_bytecode(Cursor code, const Prelude& prelude, const Tables& tables,
                                     NameSink* exports) {
  return Walker(code, prelude, tables, exports).walk();
}

}  // namespace mpyd::mpy
