#include "protocol/eeprom/hexpansion.hpp"

#include <array>

#include "protocol/eeprom/board_records.hpp"
#include "protocol/eeprom/hexpansion_layout.hpp"
#include "protocol/eeprom/names.hpp"
#include "protocol/eeprom/store_area.hpp"

namespace mpyd::eeprom {
namespace {

struct Header {
  std::array<std::byte, kHexpansionHeaderBytes> bytes{};
  std::uint32_t file_system = 0;  // where it begins, and our records end
};

Result<Header> read_header(Source& source) {
  Header header;
  MPYD_TRY(source.read(0, header.bytes));
  const Bytes bytes = header.bytes;
  const std::string_view year = as_text(bytes.subspan(4, 4));
  if (hexpansion_checksum(bytes) != bytes.back()) return fail(Errc::bad_checksum);
  if (year != "2024" && year != "2026") return fail(Errc::unsupported);
  header.file_system = load_le16(bytes, 8);
  const std::uint32_t total = load_le32(bytes, 12);
  if (total > kEepromBytesMax) return fail(Errc::limit);
  if (header.file_system < kHexpansionHeaderBytes || header.file_system > total)
    return fail(Errc::malformed);
  if (total > source.size()) return fail(Errc::truncated);
  return header;
}

std::uint32_t end_of(const Extent& record) { return record.offset + record.length; }

// A record of any kind, also one that this build does not know. Length 0: anything else lies at
// `offset`, so there are no more.
struct Place {
  Extent record;
  std::uint32_t kind = 0;
  std::array<std::byte, kRecordHeaderBytes> header{};
};
Result<Place> find_record(Source& source, std::uint32_t offset, std::uint32_t end) {
  if (offset > end || end - offset < kRecordHeaderBytes) return Place{};
  Place place;
  const MutableBytes start = place.header;
  MPYD_TRY(source.read(offset, start));
  std::size_t same = 0;
  for (std::size_t i = 0; i < kRecordMagic.size(); ++i)
    same += start[i] == as_bytes(kRecordMagic)[i] ? 1U : 0U;
  // One damaged byte must not make a calibration disappear unnoticed.
  if (same + 1 == kRecordMagic.size()) return fail(Errc::malformed);
  if (same != kRecordMagic.size()) return Place{};
  const std::uint32_t length = load_le32(start, 5);
  if (length > end - offset - kRecordHeaderBytes) return fail(Errc::truncated);
  place.record = {offset, static_cast<std::uint32_t>(kRecordHeaderBytes) + length};
  place.kind = load_u8(start, 4);
  return place;
}

bool is_kind(const Place& place, RecordKind kind) {
  return place.kind == static_cast<std::uint32_t>(kind);
}

// Packages and key blocks prove themselves. True: this was the checksum of what came before.
Result<bool> check_record(CrcChecker& crc, const Place& place) {
  const std::uint32_t content =
      place.record.offset + static_cast<std::uint32_t>(kRecordHeaderBytes);
  const std::uint32_t length = end_of(place.record) - content;
  if (is_kind(place, RecordKind::checksum)) {
    if (length != kCrcBytes) return fail(Errc::bad_checksum);
    MPYD_TRY(crc.check_at(content));
    return true;
  }
  if (is_kind(place, RecordKind::configuration) || is_kind(place, RecordKind::store_area)) {
    crc.add(place.header);
    MPYD_TRY(crc.add(content, length));
  }
  return false;
}

// Without a checksum: one flipped bit in a length, or in where the store area begins, leads past
// the next record, the checksum in the end, so none may begin within a record that was read, nor up
// to the store area, as near as the next lies if a configuration seems shorter than it is.
Result<void> check_unprotected(CrcChecker& crc, std::uint32_t offset, std::uint32_t file_system,
                               std::uint32_t end) {
  // Both may lie in the middle of the magic and the kind behind it.
  const auto from = offset - static_cast<std::uint32_t>(kRecordMagic.size());
  const auto to = end + static_cast<std::uint32_t>(kRecordMagic.size()) + 1;
  std::uint32_t look = (to < file_system ? to : file_system) - from;
  if (look > kCheckedRecordMax) look = kCheckedRecordMax;
  if (look > crc.left()) look = crc.left();
  MPYD_TRY(crc.add(from, look));
  return crc.saw_record() ? fail(Errc::malformed) : Result<void>{};
}

// Those behind the store area's record end where the area begins.
Result<void> read_records(Source& source, const Header& header, BoardIdentity& out) {
  CrcChecker crc(source);
  std::uint32_t offset = kHexpansionHeaderBytes;
  std::uint32_t end = header.file_system;
  bool is_protected = false;
  for (std::uint32_t i = 0;; ++i) {
    MPYD_TRY_ASSIGN(const Place place, find_record(source, offset, end));
    if (place.record.length == 0)
      return i == 0 || is_protected ? Result<void>{}
                                    : check_unprotected(crc, offset, header.file_system, end);
    if (i == kRecordsMax) return fail(Errc::limit);
    MPYD_TRY_ASSIGN(const bool is_checksum, check_record(crc, place));
    is_protected |= is_checksum;
    MPYD_TRY(take_record(source, place.record, 0, out));
    offset = end_of(place.record);
    if (!is_kind(place, RecordKind::store_area)) continue;
    if (lies_within(out.store_area, offset, header.file_system))
      end = out.store_area.place.offset;
    else
      out.store_area = {};
  }
}

}  // namespace

// Byte 0 may be damaged, see hexpansion_checksum().
bool looks_like_hexpansion(Bytes start) { return as_text(start.subspan(1, 3)) == "HEX"; }

Result<void> read_hexpansion(Source& source, BoardIdentity& out) {
  MPYD_TRY_ASSIGN(const Header header, read_header(source));
  const Bytes bytes = header.bytes;
  MPYD_TRY(set_hardware_id(out, "thex", hex4(load_le16(bytes, 16)).view(),
                           hex4(load_le16(bytes, 18)).view()));
  // As people read the number: its high byte first.
  if (load_le16(bytes, 20) != 0) {
    out.serial.push_back(bytes[21]);
    out.serial.push_back(bytes[20]);
  }
  out.fingerprint = {kHexpansionIdsAt, kHexpansionHeaderBytes - kHexpansionIdsAt};
  return read_records(source, header, out);
}

Result<bool> next_hexpansion_package(Source& source, const Extent& after, BoardIdentity& board) {
  MPYD_TRY_ASSIGN(const Header header, read_header(source));
  const bool has_area = lies_within(board.store_area, kHexpansionHeaderBytes, header.file_system);
  const std::uint32_t end = has_area ? board.store_area.place.offset : header.file_system;
  BoardIdentity next;
  std::uint32_t offset = after.length == 0 ? kHexpansionHeaderBytes : end_of(after);
  for (std::uint32_t i = 0; i < kRecordsMax; ++i) {
    MPYD_TRY_ASSIGN(const Place place, find_record(source, offset, end));
    if (place.record.length == 0) break;
    const bool is_last = next.package.length != 0;
    MPYD_TRY(take_record(source, place.record, 0, next));
    if (is_last) break;
    offset = end_of(place.record);
  }
  if (next.package.length == 0) return false;
  board.package = next.package;
  board.key_block = next.key_block;
  return true;
}

}  // namespace mpyd::eeprom
