#include "protocol/eeprom/part_writer.hpp"

#include <array>

#include "protocol/eeprom/part_source.hpp"

namespace mpyd::eeprom {

std::uint32_t page_bytes_of(const Part& part) {
  if (part.address_bytes != 2) return part.blocks > 1 ? 16 : 8;
  if (part.size >= 65536) return 128;
  return part.size >= 16384 ? 64 : 32;
}

Result<void> PartWriter::begin(std::uint32_t offset, Bytes bytes, std::uint32_t page_bytes) {
  if (part_.address_bytes == 0) return fail(Errc::undecided);
  if (offset > size_of(part_) || bytes.size() > size_of(part_) - offset)
    return fail(Errc::truncated);
  if (page_bytes == 0 || page_bytes > kPageBytesMax || bytes.empty() ||
      offset % page_bytes + bytes.size() > page_bytes)
    return fail(Errc::malformed);
  std::array<std::byte, 2 + kPageBytesMax> message;
  std::size_t size = 0;
  if (part_.address_bytes == 2) message[size++] = static_cast<std::byte>(offset >> 8);
  message[size++] = static_cast<std::byte>(offset & 0xff);
  copy_bytes(bytes, MutableBytes(message).subspan(size));
  size += bytes.size();
  const std::uint8_t address = address_of(part_, offset);
  const auto written = channel_->write_read(address, Bytes(message).first(size), {});
  if (written || written.error() != Errc::no_device) return written;
  // It may be there, and refuse the data: some parts say so when they are write protected.
  std::byte ignored;
  if (channel_->write_read(address, {}, {&ignored, 1})) return fail(Errc::write_protected);
  return written;
}

// A read, because some adapters cannot send an address alone, and because there are parts in the
// field that an address to write, with nothing behind it, brings out of step.
Result<bool> PartWriter::is_ready() {
  std::byte ignored;
  const auto answered = channel_->write_read(part_.address, {}, {&ignored, 1});
  if (answered) return true;
  if (answered.error() == Errc::no_device) return false;
  return fail(answered.error());
}

Result<void> PartWriter::check(std::uint32_t offset, Bytes bytes) {
  PartSource source(*channel_, part_);
  while (!bytes.empty()) {
    std::array<std::byte, 32> there;
    const std::size_t piece = bytes.size() < there.size() ? bytes.size() : there.size();
    MPYD_TRY(source.read(offset, MutableBytes(there).first(piece)));
    if (!same_bytes(Bytes(there).first(piece), bytes.first(piece)))
      return fail(Errc::write_protected);
    bytes = bytes.subspan(piece);
    offset += static_cast<std::uint32_t>(piece);
  }
  return {};
}

}  // namespace mpyd::eeprom
