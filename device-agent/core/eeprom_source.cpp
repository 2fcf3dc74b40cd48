#include "device-agent/core/eeprom_source.hpp"

#include <array>

namespace mpyd::agent {

Result<void> EepromSource::read(std::uint32_t offset, MutableBytes out) {
  if (base_ > kEepromBytesMax || offset > kEepromBytesMax - base_ ||
      out.size() > kEepromBytesMax - base_ - offset)
    return fail(Errc::truncated);
  std::uint32_t at = base_ + offset;
  while (!out.empty()) {
    const std::size_t take = out.size() < kTransferBytes ? out.size() : kTransferBytes;
    const std::array<std::byte, 2> address = {static_cast<std::byte>(at >> 8),
                                              static_cast<std::byte>(at & 0xff)};
    MPYD_TRY(bus_->write_read(slot_, address_, address, out.first(take)));
    out = out.subspan(take);
    at += static_cast<std::uint32_t>(take);
  }
  return {};
}

}  // namespace mpyd::agent
