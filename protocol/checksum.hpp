// Checksums of the EEPROM formats. Not cryptography.
#pragma once

#include "protocol/bytes.hpp"

namespace mpyd {

// CRC-16/ARC: poly 0x8005 reflected, init 0, no xorout; check("123456789") = 0xBB3D.
// Start with 0 and feed the result back in to go on.
std::uint16_t crc16_arc(std::uint16_t crc, Bytes bytes);

}  // namespace mpyd
