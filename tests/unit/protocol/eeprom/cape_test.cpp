#include "protocol/eeprom/cape.hpp"

#include "tests/support/images.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using namespace mpyd::test;

namespace {

struct Cape {
  Buffer bytes = Buffer(32768, std::byte{0xff});

  Cape& put(std::size_t at, Bytes data) {
    copy_bytes(data, MutableBytes(bytes).subspan(at));
    return *this;
  }
  Cape& put(std::size_t at, std::string_view text, std::size_t width, char padding = '\0') {
    std::string field(text);
    field.resize(width, padding);
    return put(at, as_bytes(field));
  }
  Cape& number(std::size_t at, unsigned value) {
    const std::byte big_endian[] = {static_cast<std::byte>(value >> 8),
                                    static_cast<std::byte>(value & 255)};
    return put(at, big_endian);
  }
};

// By the table of the boards' system reference manual.
Cape example() {
  return Cape()
      .put(0, from_hex("aa5533ee"))
      .put(4, as_bytes("A1"))
      .put(6, "Relay cape", 32)
      .put(38, as_bytes("00A2"))
      .put(42, "Meadow Instr.", 16)
      .put(58, "BB-RELAY-4", 16)
      .number(74, 46)
      .put(76, as_bytes("2426MEAD0017"))
      .number(236, 250)
      .number(238, 500)
      .number(240, 0xffff)
      .number(242, 1000);
}

}  // namespace

TEST_CASE("a cape's manufacturer, part number, version and serial identify it") {
  const auto board = identify_image(example().bytes);
  REQUIRE(board);
  CHECK(name(board->layout) == "cape");
  CHECK(id_of(*board) == "cape:Meadow%20Instr.:BB-RELAY-4");
  CHECK(board->revision == 0x30304132);  // "00A2"
  CHECK(same_bytes(serial_of(*board), as_bytes("2426MEAD0017")));
  CHECK(board->package == Extent{});
  CHECK(board->store_area == StoreArea{});
  CHECK(board->fingerprint == Extent{76, 12});
  CHECK(identify_image(example().put(4, as_bytes("A0")).bytes));
}

TEST_CASE("a cape takes the sum of what it takes of three rails, unprogrammed ones left out") {
  CHECK(identify_image(example().bytes)->current_ma == 750);
  CHECK(identify_image(example().number(240, 100).bytes)->current_ma == 850);
  Cape none = example();
  for (const std::size_t at : {236U, 238U, 240U}) none.number(at, 0xffff);
  CHECK(identify_image(none.bytes)->current_ma == 0);
}

TEST_CASE("padding of a cape's names is not part of them") {
  for (const char padding : {'\0', '\xff', ' '})
    CHECK(id_of(identify_image(
                    example().put(42, "Meadow", 16, padding).put(58, "RELAY", 16, padding).bytes)
                    .value()) == "cape:Meadow:RELAY");
  CHECK(id_of(identify_image(example().put(58, "RELAY", 16, '.').bytes).value()) ==
        "cape:Meadow%20Instr.:RELAY");
  // What the boot loader makes of an unprogrammed version.
  CHECK(identify_image(example().put(38, from_hex("413100ff")).bytes)->revision == 0x41313030);
  const auto unnumbered = identify_image(example().put(76, "", 12, '\xff').bytes);
  REQUIRE(unnumbered);
  CHECK(unnumbered->serial.empty());
  CHECK(unnumbered->fingerprint == Extent{58, 16});
}

TEST_CASE("a cape that is blank, half written or cut short is named as such") {
  const Buffer good = example().bytes;
  CHECK(error_of(Buffer(32768, std::byte{0xff})) == Errc::blank);
  // Writing ended before the format, version, manufacturer, part number or pins.
  for (const std::size_t written : {4U, 6U, 38U, 42U, 58U, 74U}) {
    CAPTURE(written);
    CHECK(error_of(padded(Bytes(good).first(written), 32768)) == Errc::malformed);
  }
  CHECK(error_of(example().put(4, as_bytes("A7")).bytes) == Errc::unsupported);
  CHECK(error_of(example().put(42, "", 16).bytes) == Errc::malformed);
  CHECK(error_of(example().put(58, "", 16, '.').bytes) == Errc::malformed);
  for (std::size_t size = 0; size < 242; ++size) {
    CAPTURE(size);
    CHECK(error_of(Bytes(good).first(size)) == Errc::truncated);
  }
  for (std::size_t bit = 0; bit < 32; ++bit)
    CHECK(error_of(with_flipped_bit(good, bit)) == Errc::bad_magic);
}
