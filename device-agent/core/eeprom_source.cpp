#include "device-agent/core/eeprom_source.hpp"

namespace mpyd::agent {

Result<void> EepromSource::read(std::uint32_t offset, MutableBytes out) {
  if (offset > size() || base_ > size() - offset) return fail(Errc::truncated);
  SlotChannel channel(*bus_, index_);
  slot_->counter = Slot::kCounterUnknown;
  MPYD_TRY(eeprom::PartSource(channel, slot_->part).read(base_ + offset, out));
  slot_->counter = base_ + offset + static_cast<std::uint32_t>(out.size());
  return {};
}

}  // namespace mpyd::agent
