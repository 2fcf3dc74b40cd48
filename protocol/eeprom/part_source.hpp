// A part as bytes to read. Address bytes, a repeated START, data: never a STOP after an address.
#pragma once

#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/part.hpp"

namespace mpyd::eeprom {

class PartSource final : public Source {
 public:
  PartSource(I2cChannel& channel, const Part& part) : channel_(&channel), part_(part) {}

  // Errors: truncated (beyond the part), those of the channel; undecided if address_bytes is 0.
  Result<void> read(std::uint32_t offset, MutableBytes out) override;
  std::uint32_t size() const override { return size_of(part_); }

 private:
  // Short transfers let others in between, and a clone chip's counter not overflow.
  static constexpr std::size_t kTransferBytes = 128;

  I2cChannel* channel_;
  Part part_;
};

}  // namespace mpyd::eeprom
