#include "protocol/eeprom/board_records.hpp"

#include <array>

#include "protocol/checksum.hpp"
#include "protocol/eeprom/store_area.hpp"

namespace mpyd::eeprom {
namespace {

// One that cannot be read is as good as none: it must not cost the board its identity.
Result<void> take_store_area(Source& source, const Extent& content, BoardIdentity& out) {
  std::array<std::byte, kStoreAreaRecordBytes - kRecordHeaderBytes> bytes{};
  if (content.length != bytes.size()) return {};
  MPYD_TRY(source.read(content.offset, bytes));
  if (const auto area = parse_store_area(bytes)) out.store_area = *area;
  return {};
}

}  // namespace

Result<void> CrcChecker::check(std::uint32_t offset, std::uint32_t covered) {
  crc_ = 0;
  MPYD_TRY(add(offset, covered));
  return check_at(offset + covered);
}

void CrcChecker::add(Bytes bytes) { crc_ = crc16_arc(crc_, bytes); }

Result<void> CrcChecker::add(std::uint32_t offset, std::uint32_t bytes) {
  if (!has_room_for(bytes)) return fail(Errc::limit);
  left_ -= bytes;
  std::array<std::byte, 64> piece{};
  std::size_t matched = 0;
  for (std::uint32_t done = 0; done < bytes;) {
    const std::uint32_t left = bytes - done;
    const MutableBytes part = MutableBytes(piece).first(left < piece.size() ? left : piece.size());
    MPYD_TRY(source_.read(offset + done, part));
    add(part);
    look_for_record(part, matched);
    done += static_cast<std::uint32_t>(part.size());
  }
  return {};
}

// `matched` bytes of the magic came right before the piece. No byte of the magic but its first
// begins it anew.
void CrcChecker::look_for_record(Bytes piece, std::size_t& matched) {
  const Bytes magic = as_bytes(kRecordMagic);
  for (const std::byte b : piece) {
    if (matched == magic.size())
      saw_record_ |= b >= std::byte{1} && b <= static_cast<std::byte>(RecordKind::checksum) &&
                     b != static_cast<std::byte>(RecordKind::stored);
    if (matched < magic.size() && b == magic[matched])
      ++matched;
    else
      matched = b == magic[0] ? 1 : 0;
  }
}

Result<void> CrcChecker::check_at(std::uint32_t offset) {
  std::array<std::byte, kCrcBytes> stored{};
  MPYD_TRY(source_.read(offset, stored));
  return load_le16(stored, 0) == crc_ ? Result<void>{} : fail(Errc::bad_checksum);
}

Result<void> take_record(Source& source, const Extent& room, std::uint32_t gap,
                         BoardIdentity& out) {
  if (room.length < kRecordHeaderBytes) return {};
  std::array<std::byte, kRecordHeaderBytes> start{};
  MPYD_TRY(source.read(room.offset, start));
  const auto record = parse_record_header(start);
  if (!record) return {};
  if (record->length > room.length - kRecordHeaderBytes) return fail(Errc::truncated);
  const Extent content{room.offset + static_cast<std::uint32_t>(kRecordHeaderBytes),
                       record->length};
  const Extent whole{room.offset, static_cast<std::uint32_t>(kRecordHeaderBytes) + record->length};
  switch (record->kind) {
    case RecordKind::package:
      if (out.package.length == 0) out.package = whole;
      break;
    case RecordKind::key_block:
      if (out.package.length != 0 && out.package.offset + out.package.length + gap == whole.offset)
        out.key_block = whole;
      break;
    case RecordKind::configuration:
      if (record->length > kConfigMax) return fail(Errc::limit);
      out.configuration = content;
      break;
    case RecordKind::store_area:
      return take_store_area(source, content, out);
    case RecordKind::stored:    // has its place in a store area only
    case RecordKind::checksum:  // is its layout's affair
      break;
  }
  return {};
}

}  // namespace mpyd::eeprom
