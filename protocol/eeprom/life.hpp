// LIFE add-ons ("simple add-ons" of conference badges), binary and JSON. schema/eeprom/life.md
#pragma once

#include "protocol/eeprom/identify.hpp"

namespace mpyd::eeprom {

bool looks_like_life(Bytes start);
// Errors: as identify().
Result<void> read_life(Source& source, BoardIdentity& out);

bool looks_like_life_json(Bytes start);
// Errors: as identify().
Result<void> read_life_json(Source& source, BoardIdentity& out);

}  // namespace mpyd::eeprom
