// IPMI field replaceable units: the board area of the common layout, as on FMC mezzanines.
// schema/eeprom/fru.md
#pragma once

#include "protocol/eeprom/identify.hpp"

namespace mpyd::eeprom {

bool looks_like_fru(Bytes start);
// Errors: as identify(); unsupported (an area of a version this build does not know).
Result<void> read_fru(Source& source, BoardIdentity& out);

}  // namespace mpyd::eeprom
