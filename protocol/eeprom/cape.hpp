// BeagleBone capes: an identity of 244 bytes, without any checksum. schema/eeprom/cape.md
#pragma once

#include "protocol/eeprom/identify.hpp"

namespace mpyd::eeprom {

bool looks_like_cape(Bytes start);
// Errors: as identify(); unsupported (of a revision of the format this build does not know).
Result<void> read_cape(Source& source, BoardIdentity& out);

}  // namespace mpyd::eeprom
