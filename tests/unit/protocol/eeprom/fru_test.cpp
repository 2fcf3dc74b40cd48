#include "protocol/eeprom/fru.hpp"

#include <numeric>

#include "tests/support/images.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using namespace mpyd::test;

namespace {

// The byte with which all sum to 0.
std::byte checksum(Bytes bytes) {
  unsigned sum = 0;
  for (const std::byte b : bytes) sum += std::to_integer<unsigned>(b);
  return static_cast<std::byte>(0U - sum);
}

Buffer field(unsigned type, Bytes data) {
  Buffer out = {static_cast<std::byte>(type << 6 | data.size())};
  return concat(out, data);
}
Buffer text(std::string_view value) { return field(3, as_bytes(value)); }

Buffer common_header(unsigned board_at) {
  Buffer header = from_hex("01 00 00 00 00 00 00");
  header[3] = static_cast<std::byte>(board_at / 8);
  header.push_back(checksum(header));
  return header;
}

// By the tables of the IPMI platform management FRU information storage definition: the board area
// behind the header, in an EEPROM of 256 bytes.
Buffer image(std::vector<Buffer> fields, unsigned language = 0) {
  Buffer area = from_hex("01 00 00 102030");
  area[2] = static_cast<std::byte>(language);
  for (const Buffer& one : fields) area = concat(area, one);
  area.push_back(std::byte{0xc1});
  while (area.size() % 8 != 7) area.push_back(std::byte{0});
  area[1] = static_cast<std::byte>((area.size() + 1) / 8);
  area.push_back(checksum(area));
  return padded(concat(common_header(8), area), 256);
}

Buffer example() {
  return image(
      {text("Meadow Instruments"), text("FMC ADC"), text("MI-0017"), text("FMC-ADC-100M")});
}

}  // namespace

TEST_CASE("a FRU's board area says maker, part number and serial") {
  const Buffer whole = example();
  const auto board = identify_image(whole);
  REQUIRE(board);
  CHECK(name(board->layout) == "fru");
  CHECK(id_of(*board) == "fru:Meadow%20Instruments:FMC-ADC-100M");
  CHECK(board->revision == 0);
  CHECK(same_bytes(serial_of(*board), as_bytes("MI-0017")));
  CHECK(same_bytes(part_of(whole, board->fingerprint), as_bytes("MI-0017")));
  // The area may lie further on.
  const Buffer moved = concat(concat(common_header(16), Buffer(8)), Bytes(whole).subspan(8));
  CHECK(identify_image(moved));
}

// A text of one byte cannot be told from the end of the fields.
TEST_CASE("a FRU's fields are read in each of their four encodings") {
  const auto id = [](Buffer maker, Buffer part, unsigned language = 0) {
    const auto board = identify_image(image({maker, text("pp"), field(0, {}), part}, language));
    REQUIRE(board);
    CHECK(board->serial.empty());
    return id_of(*board);
  };
  CHECK(id(text("MI  "), field(1, from_hex("12 a3 b4 c5"))) == "fru:MI:12%203-4.5");
  // "IPMI" of the standard's own example, packed: 29 dc a6.
  CHECK(id(field(2, from_hex("29dca6")), text("p2")) == "fru:IPMI:p2");
  CHECK(id(field(0, from_hex("00ff41")), text("p2")) == "fru:%00%FFA:p2");
  CHECK(id(text("caf\xe9"), text("p2"), 25) == "fru:caf%E9:p2");
  // Two bytes a character in languages other than English.
  CHECK(id(field(3, from_hex("e900 3a26")), field(3, from_hex("4100")), 7) ==
        "fru:%C3%A9%E2%98%BA:A");
  CHECK(error_of(image({text("MI"), text("pp"), text("s1"), field(1, from_hex("1f"))})) ==
        Errc::malformed);
}

TEST_CASE("a FRU that is blank, half written, damaged or cut short is named as such") {
  const Buffer good = example();
  const std::size_t used = 8 + std::to_integer<std::size_t>(good[9]) * 8;
  for (std::size_t size = 0; size < used; ++size) {
    CAPTURE(size);
    CHECK(error_of(Bytes(good).first(size)) == Errc::truncated);
  }
  for (std::size_t bit = 0; bit < used * 8; ++bit) {
    CAPTURE(bit);
    CHECK_FALSE(identify_image(with_flipped_bit(good, bit)));
  }
  CHECK(error_of(padded(Bytes(good).first(8), 256)) == Errc::unsupported);
  for (std::size_t written = 10; written < used - 1; ++written) {
    CAPTURE(written);
    CHECK_FALSE(identify_image(padded(Bytes(good).first(written), 256)));
  }
  Buffer no_board = common_header(0);
  no_board[4] = std::byte{1};
  no_board[7] = checksum(Bytes(no_board).first(7));
  CHECK(error_of(padded(no_board, 256)) == Errc::malformed);
  CHECK(error_of(Buffer(256, std::byte{0})) == Errc::blank);
  CHECK(error_of(image({text("MI"), text("pp"), text("s1")})) == Errc::malformed);
  CHECK(error_of(image({field(0, {}), text("pp"), text("s1"), text("part")})) == Errc::malformed);
  CHECK(error_of(image({text("MI"), text("pp"), text("12345678901234567"), text("part")})) ==
        Errc::limit);
}

TEST_CASE("A29 lengths of a FRU's areas and fields are bounded by the part and the area") {
  Buffer far = common_header(8);
  far[3] = std::byte{0xff};
  far[7] = checksum(Bytes(far).first(7));
  CHECK(error_of(padded(far, 256)) == Errc::truncated);
  CHECK(error_of(padded(far, 2040)) == Errc::truncated);
  Buffer empty = padded(concat(common_header(8), from_hex("01 00 00 000000 00 ff")), 256);
  CHECK(error_of(empty) == Errc::malformed);
  // A field that says it is longer than its area.
  Buffer area = from_hex("01 02 00 000000 c2 4d49 00 00 0c 414141");
  area.push_back(checksum(area));
  CHECK(error_of(padded(concat(common_header(8), area), 256)) == Errc::truncated);
}
