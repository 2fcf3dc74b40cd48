#include "protocol/eeprom/record.hpp"

#include <array>

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;
using mpyd::test::Buffer;
using mpyd::test::from_hex;

TEST_CASE("a record header is mpyd, kind and little-endian length") {
  struct Row {
    RecordKind kind;
    std::uint32_t length;
    const char* hex;
  };
  const Row kRows[] = {
      {RecordKind::package, 0, "6d707964 01 00000000"},
      {RecordKind::key_block, 0x01020304, "6d707964 02 04030201"},
      {RecordKind::configuration, 0xffffffff, "6d707964 03 ffffffff"},
      {RecordKind::store_area, 11, "6d707964 04 0b000000"},
      {RecordKind::stored, 11, "6d707964 05 0b000000"},
      {RecordKind::checksum, 2, "6d707964 06 02000000"},
  };
  for (const Row& row : kRows) {
    std::array<std::byte, kRecordHeaderBytes> bytes{};
    format_record_header({row.kind, row.length}, bytes);
    CHECK(same_bytes(bytes, from_hex(row.hex)));
    const auto header = parse_record_header(test::concat(bytes, as_bytes("more")));
    REQUIRE(header);
    CHECK(header->kind == row.kind);
    CHECK(header->length == row.length);
  }
}

TEST_CASE("a record header is refused for what it is") {
  const Buffer good = from_hex("6d707964 01 00000000");
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(parse_record_header(Bytes(good).first(size)).error() == Errc::truncated);
  for (std::size_t bit = 0; bit < 32; ++bit)
    CHECK(parse_record_header(test::with_flipped_bit(good, bit)).error() == Errc::bad_magic);
  for (int kind = 0; kind < 256; ++kind) {
    Buffer bytes = good;
    bytes[4] = static_cast<std::byte>(kind);
    CHECK(parse_record_header(bytes).has_value() == (kind >= 1 && kind <= 6));
    if (kind < 1 || kind > 6) CHECK(parse_record_header(bytes).error() == Errc::unsupported);
  }
}
