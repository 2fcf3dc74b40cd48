#include "protocol/eeprom/record.hpp"

namespace mpyd {

Result<RecordHeader> parse_record_header(Bytes bytes) {
  if (bytes.size() < kRecordMagic.size()) return fail(Errc::truncated);
  if (as_text(bytes.first(kRecordMagic.size())) != kRecordMagic) return fail(Errc::bad_magic);
  if (bytes.size() < kRecordHeaderBytes) return fail(Errc::truncated);
  const std::uint32_t kind = load_u8(bytes, 4);
  if (kind < 1 || kind > 6) return fail(Errc::unsupported);
  return RecordHeader{static_cast<RecordKind>(kind), load_le32(bytes, 5)};
}

void format_record_header(RecordHeader header, MutableBytes out) {
  copy_bytes(as_bytes(kRecordMagic), out);
  store_u8(out, 4, static_cast<std::uint32_t>(header.kind));
  store_le32(out, 5, header.length);
}

}  // namespace mpyd
