#include "protocol/version.hpp"

namespace mpyd {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_identifier_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

bool is_number(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  for (char c : text)
    if (!is_digit(c)) return false;
  return true;
}

bool all_digits(std::string_view text) {
  for (char c : text)
    if (!is_digit(c)) return false;
  return true;
}

// Dot-separated identifiers; numeric ones of a pre-release may not start with 0.
bool are_identifiers(std::string_view text, bool is_prerelease) {
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = part_of(text, 0, dot);
    if (part.empty()) return false;
    for (char c : part)
      if (!is_identifier_char(c)) return false;
    if (is_prerelease && all_digits(part) && !is_number(part)) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace

Result<VersionText> parse_version(std::string_view text) {
  std::string_view rest = text;
  if (const std::size_t plus = rest.find('+'); plus != std::string_view::npos) {
    if (!are_identifiers(part_of(rest, plus + 1), false)) return fail(Errc::malformed);
    rest = part_of(rest, 0, plus);
  }
  if (const std::size_t dash = rest.find('-'); dash != std::string_view::npos) {
    if (!are_identifiers(part_of(rest, dash + 1), true)) return fail(Errc::malformed);
    rest = part_of(rest, 0, dash);
  }
  for (int part = 0; part < 3; ++part) {
    const std::size_t dot = rest.find('.');
    if ((dot == std::string_view::npos) != (part == 2)) return fail(Errc::malformed);
    if (!is_number(part_of(rest, 0, dot))) return fail(Errc::malformed);
    rest.remove_prefix(part == 2 ? rest.size() : dot + 1);
  }
  return VersionText::make(text);
}

}  // namespace mpyd
