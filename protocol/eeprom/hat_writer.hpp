// Writes HAT+ images for our own boards: a vendor atom, then each of our records in a custom atom.
// schema/eeprom/hat.md. Reading: hat.hpp.
#pragma once

#include <array>
#include <string_view>

#include "protocol/bytes.hpp"
#include "protocol/result.hpp"

namespace mpyd::eeprom {

struct HatContent {
  std::string_view
      vendor;  // 1..255 bytes, as the vendor writes it; percent-encoding is not applied
  std::string_view product;  // for people; 0..255 bytes
  std::uint16_t product_id = 0;
  std::uint16_t product_version = 0;  // the board's revision
  std::array<std::byte, 16> uuid{};   // in reading order; all zero: no serial
  Bytes package;                      // a whole package record; empty: none
  Bytes key_block;                    // a whole key block record; empty: none
  Bytes configuration;                // at most kConfigMax, no record header; empty: none
};

// Errors: limit (a string or the configuration is too long, or the image too large for `out` or
// for an EEPROM), malformed (no vendor). Returns the size of the image.
Result<std::size_t> write_hat(const HatContent& content, MutableBytes out);

}  // namespace mpyd::eeprom
