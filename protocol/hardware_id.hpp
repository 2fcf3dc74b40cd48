// Hardware IDs: canonical text `scheme:vendor:product`, at most 96 bytes.
#pragma once

#include <string_view>

#include "protocol/inline_buffer.hpp"
#include "protocol/limits.hpp"

namespace mpyd {

// Canonical by construction: bytes outside A-Z a-z 0-9 . _ ~ - are percent-encoded (upper-case hex
// digits, as RFC 3986 has them); schemes are lower-case letters and digits.
class HardwareId {
 public:
  HardwareId() = default;  // empty: no identity

  // Canonical text -> value. Errors: limit, malformed (not three parts, or not canonical).
  static Result<HardwareId> parse(std::string_view text);
  // Raw fields -> value, encoding what must be. Errors: limit, malformed (an empty part).
  static Result<HardwareId> make(std::string_view scheme, std::string_view vendor,
                                 std::string_view product);

  std::string_view view() const { return text_.view(); }
  bool empty() const { return text_.empty(); }
  friend bool operator==(const HardwareId&, const HardwareId&) = default;
  friend bool operator<(const HardwareId& a, const HardwareId& b) { return a.view() < b.view(); }

 private:
  InlineText<kHardwareIdMax> text_;
};

// Names of drivers: 1..32 of a-z A-Z 0-9 _ -, starting with a letter. Never a path, never `..`.
using DriverName = InlineText<kDriverNameMax>;
// Errors: limit, malformed.
Result<DriverName> parse_driver_name(std::string_view text);

}  // namespace mpyd
