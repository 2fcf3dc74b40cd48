// The ID EEPROM of an identified board as bytes to read, and the channel it hangs on.
#pragma once

#include "device-agent/core/slot.hpp"
#include "protocol/eeprom/part_source.hpp"

namespace mpyd::agent {

// How often an EEPROM that answers badly is read again.
inline constexpr std::uint8_t kReadAttempts = 8;

// The bus failed or the board is gone; what was read says nothing about the board.
constexpr bool is_bus_trouble(Errc error) {
  return error == Errc::io || error == Errc::no_device || error == Errc::timeout;
}

// One slot's channel of the bus.
class SlotChannel final : public eeprom::I2cChannel {
 public:
  SlotChannel(I2cBus& bus, unsigned slot) : bus_(&bus), slot_(slot) {}
  Result<void> write_read(std::uint8_t address, Bytes out, MutableBytes in) override {
    return bus_->write_read(slot_, address, out, in);
  }

 private:
  I2cBus* bus_;
  unsigned slot_;
};

// Keeps slot.counter: where the part's address counter stands afterwards, or that nobody knows.
class EepromSource final : public eeprom::Source, public PackageSource {
 public:
  EepromSource(I2cBus& bus, unsigned index, Slot& slot, std::uint32_t base = 0)
      : bus_(&bus), index_(index), slot_(&slot), base_(base) {}

  // Errors: those of eeprom::PartSource::read().
  Result<void> read(std::uint32_t offset, MutableBytes out) override;
  std::uint32_t size() const override { return eeprom::size_of(slot_->part); }

 private:
  I2cBus* bus_;
  unsigned index_;
  Slot* slot_;
  std::uint32_t base_;
};

}  // namespace mpyd::agent
