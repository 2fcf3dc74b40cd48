// Sizes and numbers of the hexpansion header, for its reader and its writer only.
// schema/eeprom/hexpansion.md
#pragma once

#include "protocol/bytes.hpp"

namespace mpyd::eeprom {

// "THEX" | year, 4 digits | file system's offset u16 | page bytes u16 | total bytes u32 | vid u16 |
// pid u16 | unique id u16 | friendly name (9) | checksum u8. Little-endian.
inline constexpr std::uint32_t kHexpansionHeaderBytes = 32;
inline constexpr std::uint32_t kHexpansionIdsAt = 16;
inline constexpr std::uint32_t kFriendlyNameAt = 22;
inline constexpr std::size_t kFriendlyNameMax = 9;

// 0x55 XOR bytes 1 to 30: the first byte is what probing as if for a larger part destroys, so
// badges in the field look at neither it nor its checksum. `header` has at least 31 bytes.
constexpr std::byte hexpansion_checksum(Bytes header) {
  std::byte sum{0x55};
  for (std::size_t i = 1; i < kHexpansionHeaderBytes - 1; ++i) sum ^= header[i];
  return sum;
}

}  // namespace mpyd::eeprom
