// Raspberry Pi HAT and HAT+ ID EEPROMs; also the layout of our own boards. schema/eeprom/hat.md
#pragma once

#include "protocol/eeprom/identify.hpp"

namespace mpyd::eeprom {

inline constexpr std::size_t kHatHeaderBytes = 12;

// Does the image start like a HAT? `start` is at least kHatHeaderBytes.
bool looks_like_hat(Bytes start);

// Errors: as identify().
Result<BoardIdentity> read_hat(Source& source);

// As next_package().
Result<bool> next_hat_package(Source& source, BoardIdentity& board);

}  // namespace mpyd::eeprom
