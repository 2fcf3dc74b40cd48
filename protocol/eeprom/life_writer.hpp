// Writes images of LIFE add-ons, in the binary layout. schema/eeprom/life.md. Reading: life.hpp.
#pragma once

#include <string_view>

#include "protocol/bytes.hpp"
#include "protocol/result.hpp"

namespace mpyd::eeprom {

struct LifeContent {
  std::string_view name;         // UTF-8
  std::string_view driver_name;  // ASCII
  Bytes driver_data;             // at most 255 bytes
};

// Returns the size of the image. Errors: malformed (an empty name, or one that no reader would
// take: with NUL, 0xff or a space at its end), limit (too long for its length byte, for a hardware
// ID or for `out`).
Result<std::size_t> write_life(const LifeContent& content, MutableBytes out);

}  // namespace mpyd::eeprom
