#include "server/domain/hardware_reach.hpp"

#include <algorithm>

namespace mpyd::server {
namespace {

constexpr std::string_view kRest = ":*";

// A pattern is good if a hardware ID can fit it: one is made of it, and must be canonical.
bool is_pattern(std::string_view text) {
  if (!text.ends_with(kRest)) return HardwareId::parse(text).has_value();
  text.remove_suffix(1);
  const auto colons = std::ranges::count(text, ':');
  if (colons != 1 && colons != 2) return false;
  return HardwareId::parse(std::string(text) + (colons == 1 ? "0:0" : "0")).has_value();
}

}  // namespace

Result<HardwareReach> HardwareReach::make(std::span<const std::string> patterns) {
  if (patterns.size() > kPatternsMax)
    return fail(Errc::limit, "a token is limited to at most " + std::to_string(kPatternsMax) +
                                 " patterns of hardware IDs");
  HardwareReach out;
  for (const std::string& pattern : patterns) {
    if (!is_pattern(pattern))
      return fail(Errc::invalid_argument,
                  "'" + pattern.substr(0, 128) +
                      "' is no pattern of hardware IDs: write one as it is (hat:Acme:0042), all of "
                      "a vendor (hat:Acme:*) or all of a scheme (hat:*)");
    if (std::ranges::find(out.patterns_, pattern) != out.patterns_.end())
      return fail(Errc::invalid_argument, "the pattern '" + pattern + "' is there twice");
    out.patterns_.push_back(pattern);
  }
  return out;
}

Result<HardwareReach> HardwareReach::parse(std::string_view text) {
  std::vector<std::string> patterns;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    patterns.emplace_back(word);
  }
  return make(patterns);
}

std::string HardwareReach::text() const {
  std::string out;
  for (const std::string& pattern : patterns_) out += (out.empty() ? "" : " ") + pattern;
  return out;
}

bool HardwareReach::covers(std::string_view hardware_id) const {
  return patterns_.empty() || std::ranges::any_of(patterns_, [&](std::string_view pattern) {
           if (!pattern.ends_with(kRest)) return pattern == hardware_id;
           pattern.remove_suffix(1);
           return hardware_id.starts_with(pattern);
         });
}

Result<void> HardwareReach::check(const HardwareId& hardware_id) const {
  if (covers(hardware_id.view())) return {};
  return fail(Errc::forbidden, "the token is limited to " + text() + "; this needs one for " +
                                   std::string(hardware_id.view()));
}

}  // namespace mpyd::server
