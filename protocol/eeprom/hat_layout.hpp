// Sizes and numbers of the HAT layout, for its reader and its writer only. schema/eeprom/hat.md
#pragma once

#include <cstdint>

#include "protocol/eeprom/board_records.hpp"

namespace mpyd::eeprom {

// Header: "R-Pi" | version u8 (1 HAT, 2 HAT+) | reserved | atoms u16 | total length u32.
// Atom: type u16 | number u16 | data length + 2 u32 | data | CRC-16/ARC of everything before.
// Vendor atom: UUID (16) | product id u16 | product version u16 | vendor length u8 |
// product length u8 | strings.
inline constexpr std::uint32_t kAtomHeaderBytes = 8;
inline constexpr std::uint32_t kVendorFixedBytes = 22;
inline constexpr std::uint32_t kUuidBytes = 16;
inline constexpr std::uint32_t kVendorAtom = 1;
inline constexpr std::uint32_t kGpioMapAtom = 2;
inline constexpr std::uint32_t kCustomAtom = 4;
inline constexpr std::uint32_t kPowerAtom = 6;
// Bank settings (2), then a byte for each of 28 pins; all zero: no pin is used.
inline constexpr std::uint32_t kGpioMapBytes = 30;
// Milliamperes.
inline constexpr std::uint32_t kPowerBytes = 4;
// Far more than any board has; each costs a look.
inline constexpr std::uint32_t kAtomsMax = 32;

}  // namespace mpyd::eeprom
