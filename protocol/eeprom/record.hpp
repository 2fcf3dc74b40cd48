// Our own data on an EEPROM and in files: `mpyd`, kind u8, length u32 little-endian, then `length`
// bytes. Kinds are never reused; schema/eeprom/record.md has them all.
#pragma once

#include "protocol/bytes.hpp"
#include "protocol/result.hpp"

namespace mpyd {

enum class RecordKind : std::uint8_t {
  package = 1,
  key_block = 2,
  configuration = 3,
  store_area = 4,  // where packages may be written in the field; store_area.hpp
  stored = 5,      // heads a package in that area
  checksum = 6,    // of other records on a hexpansion; schema/eeprom/hexpansion.md
};

inline constexpr std::string_view kRecordMagic = "mpyd";
inline constexpr std::size_t kRecordHeaderBytes = 9;

struct RecordHeader {
  RecordKind kind = RecordKind::package;
  std::uint32_t length = 0;  // without the header
};

// Errors: truncated, bad_magic, unsupported (a kind this build does not know).
Result<RecordHeader> parse_record_header(Bytes bytes);
// `out` holds at least kRecordHeaderBytes.
void format_record_header(RecordHeader header, MutableBytes out);

}  // namespace mpyd
