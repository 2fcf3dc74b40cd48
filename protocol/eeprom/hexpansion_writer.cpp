#include "protocol/eeprom/hexpansion_writer.hpp"

#include "protocol/checksum.hpp"
#include "protocol/eeprom/board_records.hpp"
#include "protocol/eeprom/hexpansion_layout.hpp"
#include "protocol/eeprom/store_area.hpp"
#include "protocol/limits.hpp"

namespace mpyd::eeprom {
namespace {

// A badge makes its file system of blocks of 512 bytes, on parts below 8 KiB of 64; littlefs wants
// two.
constexpr std::uint32_t file_system_min(std::uint32_t total) { return total >= 8192 ? 1024 : 128; }

// Appends records behind the header.
class RecordWriter {
 public:
  RecordWriter(MutableBytes out, std::uint32_t end) : out_(out), end_(end) {}

  std::uint32_t size() const { return size_; }
  // Room for a record of `bytes`, header included. Errors: limit.
  Result<MutableBytes> begin(std::size_t bytes) {
    if (bytes > end_ - size_) return fail(Errc::limit);
    const MutableBytes record = out_.subspan(size_, bytes);
    size_ += static_cast<std::uint32_t>(bytes);
    return record;
  }

  Result<void> add(Bytes record) {
    MPYD_TRY_ASSIGN(const MutableBytes room, begin(record.size()));
    copy_bytes(record, room);
    return {};
  }

 private:
  MutableBytes out_;
  std::uint32_t size_ = kHexpansionHeaderBytes;
  std::uint32_t end_;
};

Result<void> write_configuration(Bytes configuration, RecordWriter& records) {
  if (configuration.size() > kConfigMax) return fail(Errc::limit);
  MPYD_TRY_ASSIGN(const MutableBytes record,
                  records.begin(kRecordHeaderBytes + configuration.size()));
  format_record_header(
      {RecordKind::configuration, static_cast<std::uint32_t>(configuration.size())}, record);
  copy_bytes(configuration, record.subspan(kRecordHeaderBytes));
  return {};
}

// The store area's record comes first: what follows it ends where the area begins. Returns where
// the area, or if there is none the records, end. The size of its record does not depend on its
// place, so the place is filled in when all records have theirs, and the checksum, which covers it
// and the configuration, last. An image without records needs none.
Result<std::uint32_t> write_records(const HexpansionContent& content, RecordWriter& records,
                                    MutableBytes out) {
  const bool has_area = content.reserve.bytes != 0;
  if (has_area) MPYD_TRY(records.begin(kStoreAreaRecordBytes));
  if (!content.configuration.empty()) MPYD_TRY(write_configuration(content.configuration, records));
  const MutableBytes covered =
      out.subspan(kHexpansionHeaderBytes, records.size() - kHexpansionHeaderBytes);
  for (const BoardPackage& one : content.packages) {
    MPYD_TRY(records.add(one.package));
    if (!one.key_block.empty()) MPYD_TRY(records.add(one.key_block));
  }
  if (records.size() == kHexpansionHeaderBytes) return records.size();
  MPYD_TRY_ASSIGN(const MutableBytes checksum, records.begin(kRecordHeaderBytes + kCrcBytes));
  std::uint32_t end = records.size();
  if (has_area) {
    MPYD_TRY_ASSIGN(const StoreArea area,
                    place_store_area(end, content.reserve.bytes, content.page_bytes));
    format_store_area(area, covered);
    end = area.place.offset + area.place.length;
  }
  format_record_header({RecordKind::checksum, kCrcBytes}, checksum);
  store_le16(checksum, kRecordHeaderBytes, crc16_arc(0, covered));
  return end;
}

Result<void> check_content(const HexpansionContent& content) {
  const std::uint32_t page = content.page_bytes;
  if (page < kStorePageMin || page > kStorePageMax || (page & (page - 1)) != 0 ||
      content.total_bytes % page != 0 || content.total_bytes < 128)
    return fail(Errc::malformed);
  if (content.total_bytes > kEepromBytesMax || content.friendly_name.size() > kFriendlyNameMax ||
      content.configuration.size() > kConfigMax)
    return fail(Errc::limit);
  if (content.friendly_name.find('\0') != std::string_view::npos) return fail(Errc::malformed);
  return {};
}

void write_header(const HexpansionContent& content, std::uint32_t file_system, MutableBytes out) {
  const MutableBytes header = out.first(kHexpansionHeaderBytes);
  for (std::byte& b : header) b = {};
  copy_bytes(as_bytes(content.year == HexpansionYear::y2024 ? "THEX2024" : "THEX2026"), header);
  store_le16(header, 8, file_system);
  store_le16(header, 10, content.page_bytes);
  store_le32(header, 12, content.total_bytes);
  store_le16(header, 16, content.vid);
  store_le16(header, 18, content.pid);
  store_le16(header, 20, content.unique_id);
  copy_bytes(as_bytes(content.friendly_name), header.subspan(kFriendlyNameAt));
  header[kHexpansionHeaderBytes - 1] = hexpansion_checksum(header);
}

}  // namespace

Result<std::uint32_t> write_hexpansion(const HexpansionContent& content, MutableBytes out) {
  MPYD_TRY(check_content(content));
  const std::uint32_t total = content.total_bytes;
  if (out.size() < total || total < kHexpansionHeaderBytes + file_system_min(total))
    return fail(Errc::limit);
  const std::uint32_t end = total - file_system_min(total);
  for (std::byte& b : out.first(total)) b = std::byte{0xff};
  RecordWriter records(out, end);
  MPYD_TRY_ASSIGN(const std::uint32_t used, write_records(content, records, out));
  const std::uint32_t page = content.page_bytes;
  const std::uint32_t file_system = (used + page - 1) / page * page;
  // It is a number of 16 bits in the header.
  if (file_system > end || file_system > 0xffff) return fail(Errc::limit);
  write_header(content, file_system, out);
  return file_system;
}

}  // namespace mpyd::eeprom
