// A board's ID EEPROM as bytes to read: two address bytes, then a repeated START, never a write.
#pragma once

#include "device-agent/core/ports.hpp"
#include "protocol/eeprom/identify.hpp"

namespace mpyd::agent {

// How often an EEPROM that answers badly is read again.
inline constexpr std::uint8_t kReadAttempts = 8;

// The bus failed or the board is gone; what was read says nothing about the board.
constexpr bool is_bus_trouble(Errc error) {
  return error == Errc::io || error == Errc::no_device || error == Errc::timeout;
}

class EepromSource final : public eeprom::Source, public PackageSource {
 public:
  EepromSource(I2cBus& bus, unsigned slot, std::uint8_t address, std::uint32_t base = 0)
      : bus_(&bus), slot_(slot), address_(address), base_(base) {}

  Result<void> read(std::uint32_t offset, MutableBytes out) override;
  // The largest part with two address bytes.
  std::uint32_t size() const override { return static_cast<std::uint32_t>(kEepromBytesMax); }

 private:
  // Short transfers let other slots' drivers in between, and a clone chip's counter not overflow.
  static constexpr std::size_t kTransferBytes = 128;

  I2cBus* bus_;
  unsigned slot_;
  std::uint8_t address_;
  std::uint32_t base_;
};

}  // namespace mpyd::agent
