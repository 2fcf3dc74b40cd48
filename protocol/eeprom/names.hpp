// Fields of identities as text, for the codecs only.
#pragma once

#include "protocol/eeprom/identify.hpp"
#include "protocol/limits.hpp"

namespace mpyd::eeprom {

// Long enough for whatever can become part of a hardware ID.
using FieldText = InlineText<kHardwareIdMax>;

// A field of fixed width without its padding: up to the first NUL or 0xff, which no text holds, and
// without spaces at its end.
std::string_view unpadded(Bytes field);
std::string_view without_spaces_at_end(std::string_view text);

// Four lower-case digits of a number below 65536.
InlineText<4> hex4(std::uint32_t value);

// Errors: as HardwareId::make().
Result<void> set_hardware_id(BoardIdentity& out, std::string_view scheme, std::string_view vendor,
                             std::string_view product);

// False, and unchanged: it does not fit. `code` is a Unicode scalar value.
bool append_utf8(FieldText& out, std::uint32_t code);

}  // namespace mpyd::eeprom
