#include "server/util/text.hpp"

#include <fmt/format.h>

namespace mpyd::server {
namespace {

struct Lead {
  std::size_t size = 0;  // of the whole character; 0: starts none
  std::uint32_t bits = 0;
  std::uint32_t min = 0;  // what fits into fewer bytes is invalid
};
Lead read_lead(unsigned char byte) {
  if (byte < 0x80) return {1, byte, 0};
  if ((byte & 0xe0U) == 0xc0U) return {2, byte & 0x1fU, 0x80};
  if ((byte & 0xf0U) == 0xe0U) return {3, byte & 0x0fU, 0x800};
  if ((byte & 0xf8U) == 0xf0U) return {4, byte & 0x07U, 0x10000};
  return {};
}

bool is_harmless(std::uint32_t code) {
  const bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const bool turns = code == 0x61c || code == 0x200e || code == 0x200f ||
                     (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const bool ends_line = code == 0x2028 || code == 0x2029;
  return !is_control && !turns && !ends_line;
}

}  // namespace

Character first_character(std::string_view text) {
  const Lead lead = read_lead(static_cast<unsigned char>(text.front()));
  const Character invalid{.bytes = text.substr(0, 1)};
  if (lead.size == 0 || lead.size > text.size()) return invalid;
  std::uint32_t code = lead.bits;
  for (const char c : text.substr(1, lead.size - 1)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0U) != 0x80U) return invalid;
    code = code << 6 | (byte & 0x3fU);
  }
  const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < lead.min || code > 0x10ffff || is_surrogate) return invalid;
  return {.bytes = text.substr(0, lead.size), .code = code, .is_harmless = is_harmless(code)};
}

bool is_harmless_line(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!character.is_harmless) return false;
    text.remove_prefix(character.bytes.size());
  }
  return true;
}

std::string harmless_text(std::string_view text, std::string_view kept) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.is_harmless || kept.find(character.bytes) != std::string_view::npos)
      out += character.bytes;
    else
      out += '?';
    text.remove_prefix(character.bytes.size());
  }
  return out;
}

std::string harmless_json(std::string_view json) {
  std::string out;
  while (!json.empty()) {
    const Character character = first_character(json);
    if (character.is_harmless)
      out += character.bytes;
    else
      out += fmt::format("\\u{:04x}", character.code);
    json.remove_prefix(character.bytes.size());
  }
  return out;
}

}  // namespace mpyd::server
