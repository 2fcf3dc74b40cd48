// Raspberry Pi HAT and HAT+ ID EEPROMs; also the layout of our own boards. schema/eeprom/hat.md
#pragma once

#include "protocol/eeprom/identify.hpp"

namespace mpyd::eeprom {

inline constexpr std::size_t kHatHeaderBytes = 12;

// Does the image start like a HAT?
bool looks_like_hat(Bytes start);

// Errors: as identify().
Result<void> read_hat(Source& source, BoardIdentity& out);

// Sets board.package and board.key_block to the first package behind `after`, a package of this
// board, or, if that has no length, to the first of all. False, and `board` as it was: there is
// none. Errors: as identify().
Result<bool> next_hat_package(Source& source, const Extent& after, BoardIdentity& board);

}  // namespace mpyd::eeprom
