// What an EEPROM image says, as people and programs read it.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "protocol/bytes.hpp"
#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

struct EepromReport {
  boost::json::object json;
  std::string text;
};

// Identifies the image and checks every package on it to its end.
// Errors: those of eeprom::identify (with the first bytes), check_package and key_block_bytes;
// wrong_hardware (a package for another board or revision).
Outcome<EepromReport> report_eeprom(Bytes image);

}  // namespace mpyd::server::cli
