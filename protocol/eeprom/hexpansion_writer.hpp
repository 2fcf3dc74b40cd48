// Writes images of Tildagon hexpansions: the header, our records, room for a file system.
// schema/eeprom/hexpansion.md. Reading: hexpansion.hpp.
#pragma once

#include <span>
#include <string_view>

#include "protocol/eeprom/writer_content.hpp"
#include "protocol/result.hpp"

namespace mpyd::eeprom {

enum class HexpansionYear : std::uint16_t { y2024 = 2024, y2026 = 2026 };

struct HexpansionContent {
  HexpansionYear year = HexpansionYear::y2024;
  std::uint16_t vid = 0;
  std::uint16_t pid = 0;
  std::uint16_t unique_id = 0;     // 0: none
  std::string_view friendly_name;  // at most 9 bytes, without NUL
  std::uint32_t page_bytes = 0;    // of the part: a power of two in 8..256
  std::uint32_t total_bytes = 0;   // of the part: at most kEepromBytesMax
  Bytes configuration;             // at most kConfigMax, no record header; empty: none
  // A motherboard takes the first whose ABI fits, so the most specific comes first.
  std::span<const BoardPackage> packages;
  Reserve reserve;  // its page is that of the part
};

// Fills the first content.total_bytes of `out`; the file system's part reads as erased, for the
// badge to format. Returns where that begins.
// Errors: limit (a name or the configuration is too long, or it does not fit the part beside a file
// system of two blocks), malformed (a page or size that no part has, a name with NUL).
Result<std::uint32_t> write_hexpansion(const HexpansionContent& content, MutableBytes out);

}  // namespace mpyd::eeprom
