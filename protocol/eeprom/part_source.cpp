#include "protocol/eeprom/part_source.hpp"

#include <array>

namespace mpyd::eeprom {

Result<void> PartSource::read(std::uint32_t offset, MutableBytes out) {
  if (part_.address_bytes == 0) return fail(Errc::undecided);
  if (offset > size() || out.size() > size() - offset) return fail(Errc::truncated);
  while (!out.empty()) {
    std::size_t piece = out.size() < kTransferBytes ? out.size() : kTransferBytes;
    std::array<std::byte, 2> word{};
    MutableBytes address = word;
    if (part_.address_bytes == 1) {
      // A block ends where its I2C address does.
      const std::uint32_t left = 256 - offset % 256;
      if (piece > left) piece = left;
      address = address.first(1);
      store_u8(address, 0, offset & 0xff);
    } else {
      store_u8(address, 0, offset >> 8);
      store_u8(address, 1, offset & 0xff);
    }
    MPYD_TRY(channel_->write_read(address_of(part_, offset), address, out.first(piece)));
    out = out.subspan(piece);
    offset += static_cast<std::uint32_t>(piece);
  }
  return {};
}

}  // namespace mpyd::eeprom
