#include "protocol/checksum.hpp"

#include <array>

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;

TEST_CASE("CRC-16/ARC has its published check value, in one piece or in many") {
  const Bytes digits = as_bytes("123456789");
  CHECK(crc16_arc(0, digits) == 0xBB3D);
  for (std::size_t cut = 0; cut <= digits.size(); ++cut)
    CHECK(crc16_arc(crc16_arc(0, digits.first(cut)), digits.subspan(cut)) == 0xBB3D);
  CHECK(crc16_arc(0, {}) == 0);
}

TEST_CASE("little-endian numbers are stored and loaded byte by byte") {
  std::array<std::byte, 4> bytes{};
  store_le32(bytes, 0, 0x89abcdef);
  CHECK(same_bytes(bytes, test::from_hex("efcdab89")));
  CHECK(load_le32(bytes, 0) == 0x89abcdef);
  CHECK(load_le16(bytes, 1) == 0xabcd);
  CHECK(load_u8(bytes, 3) == 0x89);
  CHECK(!same_bytes(bytes, Bytes(bytes).first(3)));
}
