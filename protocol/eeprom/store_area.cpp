#include "protocol/eeprom/store_area.hpp"

#include "protocol/checksum.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/limits.hpp"

namespace mpyd::eeprom {
namespace {

// Area: format u8 | page u16 | offset u32 | length u32. Head: format u8 | sequence u32 | content
// length u32 | CRC-16/ARC of everything before, record header included. Little-endian.
constexpr std::uint32_t kStoreFormat = 1;
constexpr std::size_t kAreaBytes = kStoreAreaRecordBytes - kRecordHeaderBytes;
constexpr std::size_t kHeadBytes = kBankHeadBytes - kRecordHeaderBytes;
constexpr std::size_t kHeadCrcAt = kBankHeadBytes - 2;

// `page` is a power of two.
constexpr std::uint32_t up_to_page(std::uint32_t bytes, std::uint32_t page) {
  return (bytes + page - 1) & ~(page - 1);
}
constexpr std::uint32_t head_room(const StoreArea& area) {
  return up_to_page(kBankHeadBytes, area.page_bytes);
}
constexpr std::uint32_t half_of(const StoreArea& area) {
  return area.place.length / 2 & ~(std::uint32_t{area.page_bytes} - 1);
}
// Content that fits a bank of this length.
constexpr std::uint32_t room_in(const StoreArea& area, std::uint32_t bank_bytes) {
  return bank_bytes > head_room(area) ? bank_bytes - head_room(area) : 0;
}

bool is_possible(const StoreArea& area) {
  const std::uint32_t page = area.page_bytes;
  if (page < kStorePageMin || page > kStorePageMax || (page & (page - 1)) != 0) return false;
  if (area.place.offset % page != 0 || area.place.length % page != 0) return false;
  return area.place.offset <= kEepromBytesMax &&
         area.place.length <= kEepromBytesMax - area.place.offset &&
         room_in(area, area.place.length) > 0;
}

// A bank that begins at `at`, with nothing in it.
Bank bank_at(std::uint32_t at, std::uint32_t length) {
  return {.place = {at, length}, .sequence = 0, .content = {}};
}

void set_content(Bank& bank, const StoreArea& area, std::uint32_t sequence, std::uint32_t bytes) {
  bank.sequence = sequence;
  bank.content = {bank.place.offset + head_room(area), bytes};
}

// Reads the head of a half. Where that says its content goes on beyond the half, the half is the
// first one of a bank that takes the whole area.
Result<void> read_head(Source& source, const StoreArea& area, Bank& bank) {
  std::array<std::byte, kBankHeadBytes> head{};
  MPYD_TRY(source.read(bank.place.offset, head));
  const auto record = parse_record_header(head);
  const Bytes content = Bytes(head).subspan(kRecordHeaderBytes);
  if (!record || record->kind != RecordKind::stored || record->length != kHeadBytes ||
      load_u8(content, 0) != kStoreFormat ||
      crc16_arc(0, Bytes(head).first(kHeadCrcAt)) != load_le16(head, kHeadCrcAt))
    return {};
  const std::uint32_t bytes = load_le32(content, 5);
  if (bytes > room_in(area, bank.place.length)) {
    if (bank.place.offset != area.place.offset || bytes > room_in(area, area.place.length))
      return {};
    bank.place = area.place;
  }
  set_content(bank, area, load_le32(content, 1), bytes);
  return {};
}

}  // namespace

Result<StoreArea> parse_store_area(Bytes content) {
  if (content.size() < kAreaBytes) return fail(Errc::truncated);
  if (load_u8(content, 0) != kStoreFormat) return fail(Errc::unsupported);
  if (content.size() > kAreaBytes) return fail(Errc::trailing);
  const StoreArea area{.place = {load_le32(content, 3), load_le32(content, 7)},
                       .page_bytes = static_cast<std::uint16_t>(load_le16(content, 1))};
  if (!is_possible(area)) return fail(Errc::malformed);
  return area;
}

void format_store_area(const StoreArea& area, MutableBytes out) {
  format_record_header({RecordKind::store_area, kAreaBytes}, out);
  const MutableBytes content = out.subspan(kRecordHeaderBytes);
  store_u8(content, 0, kStoreFormat);
  store_le16(content, 1, area.page_bytes);
  store_le32(content, 3, area.place.offset);
  store_le32(content, 7, area.place.length);
}

Result<StoreArea> place_store_area(std::uint32_t behind, std::uint32_t bytes,
                                   std::uint32_t page_bytes) {
  if (page_bytes < kStorePageMin || page_bytes > kStorePageMax || behind > kEepromBytesMax ||
      bytes > kEepromBytesMax || (page_bytes & (page_bytes - 1)) != 0)
    return fail(Errc::malformed);
  const StoreArea area{.place = {up_to_page(behind, page_bytes), up_to_page(bytes, page_bytes)},
                       .page_bytes = static_cast<std::uint16_t>(page_bytes)};
  if (!is_possible(area)) return fail(Errc::malformed);
  return area;
}

Result<Banks> read_banks(Source& source, const StoreArea& area) {
  const std::uint32_t half = half_of(area);
  Bank first = bank_at(area.place.offset, half);
  Bank second = bank_at(area.place.offset + half, half);
  MPYD_TRY(read_head(source, area, first));
  // Where the first takes all, the second's head is content; where no half holds anything, it is
  // nothing, and may lie outside.
  if (room_in(area, half) > 0 && first.place.length == half)
    MPYD_TRY(read_head(source, area, second));
  const bool second_first =
      second.sequence != 0 && (first.sequence == 0 || is_newer(second.sequence, first.sequence));
  return second_first ? Banks{{second, first}} : Banks{{first, second}};
}

StoreRoom room_of(const StoreArea& area) {
  return {.one = room_in(area, area.place.length), .each_of_two = room_in(area, half_of(area))};
}

Result<Bank> choose_bank(const Banks& banks, const StoreArea& area, std::uint32_t bytes) {
  const Bank& newest = banks.bank[0];
  const std::uint32_t half = half_of(area);
  Bank out = bank_at(area.place.offset, half);
  if (bytes > room_in(area, half)) {
    if (bytes > room_in(area, area.place.length)) return fail(Errc::limit);
    out.place = area.place;
  } else if (newest.sequence != 0 && newest.place == out.place) {
    out.place.offset += half;
  }
  const std::uint32_t next = newest.sequence + 1;
  set_content(out, area, next == 0 ? 1 : next, bytes);
  return out;
}

void format_bank_head(const Bank& bank, MutableBytes out) {
  format_record_header({RecordKind::stored, kHeadBytes}, out);
  const MutableBytes content = out.subspan(kRecordHeaderBytes);
  store_u8(content, 0, kStoreFormat);
  store_le32(content, 1, bank.sequence);
  store_le32(content, 5, bank.content.length);
  store_le16(out, kHeadCrcAt, crc16_arc(0, out.first(kHeadCrcAt)));
}

Result<StoredPackage> find_stored(Source& source, const Bank& bank) {
  constexpr auto kHeader = static_cast<std::uint32_t>(kRecordHeaderBytes);
  StoredPackage out;
  std::uint32_t offset = bank.content.offset;
  std::uint32_t left = bank.content.length;
  for (const RecordKind kind : {RecordKind::package, RecordKind::key_block}) {
    std::array<std::byte, kRecordHeaderBytes> header{};
    if (left < kHeader) return fail(Errc::truncated);
    MPYD_TRY(source.read(offset, header));
    MPYD_TRY_ASSIGN(const RecordHeader record, parse_record_header(header));
    if (record.kind != kind) return fail(Errc::malformed);
    if (record.length > left - kHeader) return fail(Errc::truncated);
    Extent& place = kind == RecordKind::package ? out.package : out.key_block;
    place = {offset, kHeader + record.length};
    offset += place.length;
    left -= place.length;
    if (left == 0) return out;  // a public package has no key block
  }
  return fail(Errc::malformed);
}

}  // namespace mpyd::eeprom
