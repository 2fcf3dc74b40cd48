// What the writers of several layouts put on a board besides its identity.
#pragma once

#include "protocol/bytes.hpp"

namespace mpyd::eeprom {

struct BoardPackage {
  Bytes package;    // a whole package record
  Bytes key_block;  // a whole key block record; empty: none
};

// Room for packages that are stored in the field, behind all else that mpyd reads. store_area.hpp
struct Reserve {
  std::uint32_t bytes = 0;  // at least; 0: none
  std::uint32_t page_bytes = 0;
};

}  // namespace mpyd::eeprom
