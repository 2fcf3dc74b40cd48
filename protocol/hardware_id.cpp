#include "protocol/hardware_id.hpp"

namespace mpyd {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
constexpr bool is_plain(char c) {
  return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '~' || c == '-';
}
constexpr bool is_upper_hex(char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); }
constexpr int hex_value(char c) { return is_digit(c) ? c - '0' : c - 'A' + 10; }

bool is_scheme(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text)
    if (!is_lower(c) && !is_digit(c)) return false;
  return true;
}

// A part is canonical if it is not empty and encodes exactly the bytes that need it.
bool is_canonical_part(std::string_view text) {
  if (text.empty()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_plain(text[i])) continue;
    if (text[i] != '%' || text.size() - i < 3) return false;
    if (!is_upper_hex(text[i + 1]) || !is_upper_hex(text[i + 2])) return false;
    if (is_plain(static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]))))
      return false;
    i += 2;
  }
  return true;
}

bool append_encoded(InlineText<kHardwareIdMax>& out, std::string_view raw) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    const bool fits =
        is_plain(c) ? out.append(c)
                    : out.append('%') && out.append(kHex[byte >> 4]) && out.append(kHex[byte & 15]);
    if (!fits) return false;
  }
  return true;
}

}  // namespace

Result<HardwareId> HardwareId::parse(std::string_view text) {
  const std::size_t first = text.find(':');
  if (first == std::string_view::npos) return fail(Errc::malformed);
  const std::size_t second = text.find(':', first + 1);
  if (second == std::string_view::npos) return fail(Errc::malformed);
  if (!is_scheme(part_of(text, 0, first)) ||
      !is_canonical_part(part_of(text, first + 1, second - first - 1)) ||
      !is_canonical_part(part_of(text, second + 1)))
    return fail(Errc::malformed);
  HardwareId out;
  if (!out.text_.append(text)) return fail(Errc::limit);
  return out;
}

Result<HardwareId> HardwareId::make(std::string_view scheme, std::string_view vendor,
                                    std::string_view product) {
  if (!is_scheme(scheme) || vendor.empty() || product.empty()) return fail(Errc::malformed);
  HardwareId out;
  const bool fits = out.text_.append(scheme) && out.text_.append(':') &&
                    append_encoded(out.text_, vendor) && out.text_.append(':') &&
                    append_encoded(out.text_, product);
  if (!fits) return fail(Errc::limit);
  return out;
}

Result<DriverName> parse_driver_name(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return fail(Errc::malformed);
  for (char c : text)
    if (!is_letter(c) && !is_digit(c) && c != '_' && c != '-') return fail(Errc::malformed);
  return DriverName::make(text);
}

}  // namespace mpyd
