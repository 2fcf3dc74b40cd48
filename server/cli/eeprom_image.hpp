// One image of an ID EEPROM from the options of `mpyd eeprom build`: whose layout, whose identity.
#pragma once

#include "server/cli/eeprom_content.hpp"

namespace mpyd::server::cli {

// The layouts that can be written.
enum class BuildLayout { hat, hexpansion, life };
// Errors: invalid_argument (a layout that is only read, or options of another layout).
Outcome<BuildLayout> build_layout_of(const EepromBuildOptions& options);

struct EepromImage {
  ByteVector bytes;      // as long as the EEPROM, if its size was given
  std::size_t used = 0;  // up to the end of all that is written, a store area included
};

// Errors: invalid_argument (identity or format), limit (it does not fit: the hint names an EEPROM
// that it does fit).
Outcome<EepromImage> build_eeprom_image(const EepromBuildOptions& options,
                                        const EepromContent& content);

}  // namespace mpyd::server::cli
