// What `mpyd eeprom build` puts on a board besides its identity, read from its files.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/abi.hpp"
#include "server/cli/commands.hpp"
#include "server/util/bytes.hpp"

namespace mpyd::server::cli {

// An atom of a HAT for other readers.
struct ForeignAtom {
  std::uint16_t type = 0;
  ByteVector data;
};

struct OnBoard {
  Abi abi;
  ByteVector package;
  ByteVector key_block;  // empty: none
};

struct EepromContent {
  std::vector<ForeignAtom> atoms;
  std::vector<OnBoard> packages;  // in the order in which a motherboard shall weigh them
  ByteVector configuration;
  ByteVector driver_data;  // of a LIFE add-on
};

// Errors: those of reading files and of check_package; invalid_argument (an atom that may not be
// written), conflict (two packages for one ABI).
Outcome<EepromContent> read_eeprom_content(const EepromBuildOptions& options);

}  // namespace mpyd::server::cli
