// Tildagon hexpansions: a header of 32 bytes, our records, a file system.
// schema/eeprom/hexpansion.md
#pragma once

#include "protocol/eeprom/identify.hpp"

namespace mpyd::eeprom {

// Does the image start like a hexpansion? Of any year.
bool looks_like_hexpansion(Bytes start);

// Errors: as identify(); unsupported (of a year this build does not know).
Result<void> read_hexpansion(Source& source, BoardIdentity& out);

// As next_hat_package().
Result<bool> next_hexpansion_package(Source& source, const Extent& after, BoardIdentity& board);

}  // namespace mpyd::eeprom
