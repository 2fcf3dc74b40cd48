// Reading a .mpy file strictly: every step asks first whether the bytes are there.
#pragma once

#include "protocol/bytes.hpp"
#include "protocol/result.hpp"

namespace mpyd::mpy {

// Why a file is refused, and where.
struct Fault {
  Errc code = Errc::malformed;
  std::size_t offset = 0;  // in the file
  std::string_view what;   // a sentence without a full stop; a literal, so it outlives everything
};

template <class T>
using Parsed = Result<T, Fault>;

// A part of a file, and a place in it. A value: a copy reads on by itself.
class Cursor {
 public:
  Cursor() = default;
  explicit Cursor(Bytes file) : file_(file), end_(file.size()) {}

  std::size_t offset() const { return at_; }
  std::size_t left() const { return end_ - at_; }
  bool at_end() const { return at_ == end_; }

  Unexpected<Fault> fault(Errc code, std::string_view what) const {
    return fail(Fault{code, at_, what});
  }
  // A length or index of the file that it contradicts itself.
  Unexpected<Fault> malformed(std::string_view what) const { return fault(Errc::malformed, what); }

  Parsed<std::uint32_t> byte() {
    if (at_end()) return fault(Errc::truncated, "the file ends too early");
    return load_u8(file_, at_++);
  }

  // The next `count` bytes as a cursor of their own.
  Parsed<Cursor> part(std::size_t count) {
    if (count > left()) return fault(Errc::truncated, "the file ends too early");
    Cursor out = *this;
    out.end_ = at_ + count;
    at_ += count;
    return out;
  }

  // What is left of it, as bytes.
  Bytes bytes() const { return file_.subspan(at_, left()); }

  // A vuint: groups of 7 bits, the highest first, bit 7 says that more follow. MicroPython's own
  // reader knows no bound; here it is 32 bits, and each number has one spelling.
  Parsed<std::uint32_t> number();

 private:
  Bytes file_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

inline Parsed<std::uint32_t> Cursor::number() {
  std::uint32_t value = 0;
  for (bool first = true;; first = false) {
    MPYD_TRY_ASSIGN(const std::uint32_t group, byte());
    if (first && group == 0x80) return malformed("a number is written with leading zeros");
    if (value >> 25 != 0) return fault(Errc::limit, "a number has more than 32 bits");
    value = value << 7 | (group & 0x7f);
    if ((group & 0x80) == 0) return value;
  }
}

}  // namespace mpyd::mpy
