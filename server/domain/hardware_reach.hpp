// Which hardware IDs a token is limited to.
//
//   reach   := pattern (' ' pattern)*          at most kPatternsMax
//   pattern := scheme ':' vendor ':' product   exactly this hardware ID
//            | scheme ':' vendor ':*'          all products of a vendor
//            | scheme ':*'                     all of a scheme
//
// Nothing else: a `*` stands for whole parts only, so that no pattern reaches into the name of
// another vendor. Parts are canonical as in protocol/hardware_id.hpp, which has no bare `*`.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "protocol/hardware_id.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

class HardwareReach {
 public:
  static constexpr std::size_t kPatternsMax = 16;

  HardwareReach() = default;  // everything
  // None: everything. Errors: invalid_argument (no pattern as above, or one twice), limit.
  static Result<HardwareReach> make(std::span<const std::string> patterns);
  static Result<HardwareReach> parse(std::string_view text);  // as text() says it
  std::string text() const;  // separated by blanks; empty: everything

  bool is_limited() const { return !patterns_.empty(); }
  bool covers(std::string_view hardware_id) const;
  const std::vector<std::string>& patterns() const { return patterns_; }
  // forbidden, if it does not cover it: says what it covers, and what is needed.
  Result<void> check(const HardwareId& hardware_id) const;

  friend bool operator==(const HardwareReach&, const HardwareReach&) = default;

 private:
  std::vector<std::string> patterns_;
};

}  // namespace mpyd::server
