#include "protocol/digest.hpp"

namespace mpyd {

HexDigest format_digest(const Digest& digest) {
  constexpr std::string_view kHex = "0123456789abcdef";
  HexDigest out;
  for (std::byte b : digest.data) {
    out.append(kHex[std::to_integer<std::size_t>(b) >> 4]);
    out.append(kHex[std::to_integer<std::size_t>(b) & 15]);
  }
  return out;
}

namespace {
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}
}  // namespace

Result<Digest> parse_digest(std::string_view hex) {
  if (hex.size() != 2 * Digest::kSize) return fail(Errc::malformed);
  Digest out;
  for (std::size_t i = 0; i < Digest::kSize; ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return fail(Errc::malformed);
    out.data[i] = static_cast<std::byte>(high << 4 | low);
  }
  return out;
}

}  // namespace mpyd
