#include "protocol/eeprom/life.hpp"

#include "protocol/eeprom/life_writer.hpp"
#include "tests/support/images.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using namespace mpyd::test;

namespace {

Buffer json_image(std::string_view json) {
  Buffer out = copy("JSON");
  out.push_back(static_cast<std::byte>(json.size()));
  return padded(concat(out, as_bytes(json)), 512);
}

}  // namespace

TEST_CASE("a LIFE add-on is its name and its driver's name") {
  const Buffer example = read_vector("life-hello.eep");
  for (const Buffer& image : {example, padded(example, 2048)}) {
    const auto board = identify_image(image);
    REQUIRE(board);
    CHECK(name(board->layout) == "life");
    CHECK(id_of(*board) == "life:HELLO:test");
    CHECK(board->revision == 0);
    CHECK(board->serial.empty());
    CHECK(board->fingerprint == Extent{8, 9});
  }
  for (int value = 0; value < 256; ++value) {
    Buffer damaged = example;
    damaged[0] = static_cast<std::byte>(value);
    CHECK(identify_image(damaged));
  }
  // Some writers count a closing NUL.
  CHECK(id_of(identify_image(from_hex("4c494645 03 03 00 00 684900 644400")).value()) ==
        "life:hI:dD");
}

TEST_CASE("a LIFE add-on that is blank, half written or cut short is named as such") {
  const Buffer good = read_vector("life-hello.eep");
  CHECK(error_of(padded(Bytes(good).first(4), 256)) == Errc::truncated);  // 3 x 255 bytes
  CHECK(error_of(padded(Bytes(good).first(4), 2048)) == Errc::limit);
  for (std::size_t written = 8; written < 17; ++written) {
    CAPTURE(written);
    CHECK(error_of(padded(Bytes(good).first(written), 256)) == Errc::malformed);
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(error_of(Bytes(good).first(size)) == Errc::truncated);
  CHECK(error_of(from_hex("4c494645 00 04 00 00 74657374")) == Errc::malformed);
  CHECK(error_of(from_hex("4c494645 04 00 00 00 74657374")) == Errc::malformed);
  CHECK(error_of(from_hex("4c494645 04 01 00 00 74006573 74")) == Errc::malformed);
}

TEST_CASE("A29 absurd lengths of a LIFE add-on are refused before its names are read") {
  const Buffer image = padded(from_hex("4c494645 60 01 00 00"), 8192);
  CHECK(error_of(image) == Errc::limit);
  CHECK(error_of(padded(from_hex("4c494645 ff ff ff ff"), 773)) == Errc::limit);
  CHECK(error_of(padded(from_hex("4c494645 ff ff ff ff"), 772)) == Errc::truncated);
}

TEST_CASE("what the LIFE writer writes is read back, and is the example of the format") {
  Buffer image(300);
  const auto size = write_life(
      {.name = "HELLO", .driver_name = "test", .driver_data = from_hex("010203")}, image);
  REQUIRE(size);
  CHECK(same_bytes(Bytes(image).first(*size), read_vector("life-hello.eep")));
  CHECK(write_life({.name = "", .driver_name = "d"}, image).error() == Errc::malformed);
  CHECK(write_life({.name = "n", .driver_name = ""}, image).error() == Errc::malformed);
  CHECK(write_life({.name = "n ", .driver_name = "d"}, image).error() == Errc::malformed);
  CHECK(write_life({.name = "n\xff", .driver_name = "d"}, image).error() == Errc::malformed);
  const std::string long_name(90, 'n');
  CHECK(write_life({.name = long_name, .driver_name = "d"}, image).error() == Errc::limit);
  CHECK(write_life({.name = "n", .driver_name = "d", .driver_data = Buffer(256)}, image).error() ==
        Errc::limit);
  CHECK(write_life({.name = "n", .driver_name = "d"}, MutableBytes(image).first(9)).error() ==
        Errc::limit);
}

TEST_CASE("of a JSON add-on name and driver count, whatever else it says") {
  struct Row {
    const char* json;
    const char* id;
  };
  const Row kRows[] = {
      {R"({"name":"Blinky","driver":"leds"})", "life:Blinky:leds"},
      {" { \"driver\" : \"leds\" ,\n\t\"name\" : \"Blinky\" } ", "life:Blinky:leds"},
      {R"({"pins":[1,{"a":"}\"]"},[]],"n":-1.5e3,"name":"B","ok":true,"driver":"d","x":{}})",
       "life:B:d"},
      {R"({"name":"a\"\\\/\u00e9\ud83d\ude00b","driver":"\u0064\u0000"})",
       "life:a%22%5C%2F%C3%A9%F0%9F%98%80b:d%00"},
      {"{\"name\":\"\xc3\xa9\",\"driver\":\"d\"}", "life:%C3%A9:d"},
  };
  for (const Row& row : kRows) {
    INFO(row.json);
    const auto board = identify_image(json_image(row.json));
    REQUIRE(board);
    CHECK(name(board->layout) == "life-json");
    CHECK(id_of(*board) == row.id);
    CHECK(board->serial.empty());
    CHECK(board->fingerprint.length == 16);
  }
}

TEST_CASE("A29 hostile JSON is refused, however long, deep or cut off") {
  const auto error = [](std::string_view json) { return error_of(json_image(json)); };
  for (const char* json :
       {"{}", "[]", "1", R"({"name":"n"})", R"({"driver":"d"})", R"({"name":1,"driver":"d"})",
        R"({"name":"","driver":"d"})", R"({"name":"a","name":"b","driver":"d"})",
        R"({"name":"\x","driver":"d"})", R"({"name":"\u12g4","driver":"d"})",
        R"({"name":"\ud800","driver":"d"})", R"({"name":"\ud800\u0041","driver":"d"})",
        R"({"name":"\udc00","driver":"d"})", R"({"name" "n","driver":"d"})",
        "{\"name\":\"\x01\",\"driver\":\"d\"}", "{\"name\":\"a\xff\",\"driver\":\"d\"}",
        R"({"x":]})", R"({"name":"n";"driver":"d"})"}) {
    INFO(json);
    CHECK(error(json) == Errc::malformed);
  }
  for (const char* json : {"", "{", R"({"name)", R"({"name":"n)", R"({"name":"n","driver":"d")",
                           R"({"x":[)", R"({"x":"\)", R"({"name":"\u1)"}) {
    INFO(json);
    CHECK(error(json) == Errc::truncated);
  }
  CHECK(error(R"({"name":"n","driver":"d"} x)") == Errc::trailing);
  CHECK(error("{\"x\":" + std::string(9, '[') + std::string(9, ']') + "}") == Errc::limit);
  CHECK(error("{\"name\":\"" + std::string(97, 'n') + "\",\"driver\":\"d\"}") == Errc::limit);
  // Longer than the part.
  const Buffer good = json_image(R"({"name":"Blinky","driver":"leds"})");
  for (std::size_t size = 0; size < 38; ++size)
    CHECK(error_of(Bytes(good).first(size)) == Errc::truncated);
  CHECK(identify_image(Bytes(good).first(38)));
  // Half written: what is not there yet reads as ff.
  for (std::size_t written = 5; written < 37; ++written) {
    CAPTURE(written);
    CHECK_FALSE(identify_image(padded(Bytes(good).first(written), 512)));
  }
}
