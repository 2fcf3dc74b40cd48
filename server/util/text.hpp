// Text of others, on its way to a terminal: what would steer it, or deceive who reads it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mpyd::server {

// The first character of a text, which is not empty.
struct Character {
  std::string_view bytes;  // of an invalid one a single byte
  std::uint32_t code = 0xfffd;
  // Neither valid UTF-8 nor harmless: a control character (C0, DEL, C1: some terminals take U+009B
  // for ESC [), one that turns the direction of what is around it (the bidirectional controls), or
  // one that ends a line (U+2028, U+2029).
  bool is_harmless = false;
};
Character first_character(std::string_view text);

// Is the text one line of harmless characters?
bool is_harmless_line(std::string_view text);

// With a question mark for each character that is not harmless, but for those in `kept`.
std::string harmless_text(std::string_view text, std::string_view kept = {});

// Serialised JSON, which means the same, and leaves a terminal in peace: no such character stands
// in it but escaped.
std::string harmless_json(std::string_view json);

}  // namespace mpyd::server
