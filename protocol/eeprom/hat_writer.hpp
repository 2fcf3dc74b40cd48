// Writes HAT and HAT+ images: a vendor atom, atoms that are not ours, then each of our records in a
// custom atom. schema/eeprom/hat.md. Reading: hat.hpp.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "protocol/eeprom/writer_content.hpp"
#include "protocol/result.hpp"

namespace mpyd::eeprom {

enum class HatFormat : std::uint8_t { hat = 1, hat_plus = 2 };

// An atom for other readers, such as a GPIO map or a device tree.
struct HatAtom {
  std::uint16_t type = 0;  // not 0, 0xffff, the vendor or power atom's
  Bytes data;              // no record of ours: packages and configuration have their own place
};

struct HatContent {
  HatFormat format = HatFormat::hat_plus;
  std::string_view
      vendor;  // 1..255 bytes, as the vendor writes it; percent-encoding is not applied
  std::string_view product;  // for people; 0..255 bytes
  std::uint16_t product_id = 0;
  std::uint16_t product_version = 0;  // the board's revision
  std::array<std::byte, 16> uuid{};   // in reading order; all zero: no serial
  // A GPIO map is a must in version 1 of the format: where none is given, one that uses no pin.
  std::span<const HatAtom> atoms;
  Bytes configuration;           // at most kConfigMax, no record header; empty: none
  std::uint32_t current_ma = 0;  // that the board takes; 0: not said. In version 2 only
  // A motherboard takes the first whose ABI fits, so the most specific comes first.
  std::span<const BoardPackage> packages;
  Reserve reserve;
};

// Errors: limit (a string or the configuration is too long, there are too many atoms, or the image
// is too large for `out` or for an EEPROM), malformed (no vendor, an atom that is not as above, a
// current in version 1, a page that no part has).
// Returns the size of the image; a store area lies behind that, on the next page boundary, where
// nothing is written.
Result<std::size_t> write_hat(const HatContent& content, MutableBytes out);

}  // namespace mpyd::eeprom
