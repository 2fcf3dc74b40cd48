#include "protocol/hardware_id.hpp"

#include <string>
#include <vector>

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;
using namespace std::string_literals;

TEST_CASE("raw fields become a canonical hardware ID") {
  struct Row {
    std::string scheme, vendor, product, text;
  };
  const Row kRows[] = {
      {"hat", "Meadow Instruments", "0042", "hat:Meadow%20Instruments:0042"},
      {"thex", "cafe", "cb00", "thex:cafe:cb00"},
      {"cape", "A/B", "x:y%", "cape:A%2FB:x%3Ay%25"},
      {"life", "Aa0._~-", "t", "life:Aa0._~-:t"},
      {"hat", "\xe2\x87\xa9", "0001", "hat:%E2%87%A9:0001"},
      {"hat", "a\0b"s, "\xff\x7f\n", "hat:a%00b:%FF%7F%0A"},
      {"hat", "..", "../../etc", "hat:..:..%2F..%2Fetc"},
  };
  for (const Row& row : kRows) {
    INFO(row.text);
    const auto id = HardwareId::make(row.scheme, row.vendor, row.product);
    REQUIRE(id);
    CHECK(std::string(id->view()) == row.text);
    CHECK(HardwareId::parse(row.text) == *id);
  }
}

TEST_CASE("any raw fields that fit give a text that parses back to the same ID") {
  test::Random random(1);
  int made = 0;
  for (int i = 0; i < 2000; ++i) {
    const test::Buffer vendor = random.bytes(1 + random.below(14));
    const test::Buffer product = random.bytes(1 + random.below(14));
    const auto id = HardwareId::make("x1", as_text(vendor), as_text(product));
    if (!id) {
      CHECK(id.error() == Errc::limit);
      continue;
    }
    ++made;
    CHECK(HardwareId::parse(id->view()) == *id);
  }
  CHECK(made > 1000);
}

TEST_CASE("A37 only canonical text is a hardware ID") {
  const std::vector<std::string> kMalformed = {
      "",           ":",         "::",        "hat",       "hat:a",
      "hat:a:",     "hat::b",    ":a:b",      "hat:a:b:c", "HAT:a:b",
      "h-t:a:b",    "hat:a b:c", "hat:a:b ",  "hat:a/b:c", "hat:../x:y",
      "hat:%2f:a",  "hat:%2:a",  "hat:%:a",   "hat:a:%",   "hat:a:%4",
      "hat:%41:a",  "hat:%2E:a", "hat:%7E:a", "hat:%GG:a", "hat:\xc3\xa4:a",
      "hat:a\0:b"s, "hat:a:b\n", "hat:%+1:b", "hat:% 1:b"};
  for (const std::string& text : kMalformed) {
    INFO(text);
    const auto id = HardwareId::parse(text);
    REQUIRE(!id);
    CHECK(id.error() == Errc::malformed);
  }
  CHECK(HardwareId::make("", "a", "b").error() == Errc::malformed);
  CHECK(HardwareId::make("Hat", "a", "b").error() == Errc::malformed);
  CHECK(HardwareId::make("hat", "", "b").error() == Errc::malformed);
  CHECK(HardwareId::make("hat", "a", "").error() == Errc::malformed);
}

TEST_CASE("A30 a hardware ID has at most 96 bytes, counted after encoding") {
  const std::string longest = "hat:" + std::string(90, 'a') + ":b";
  REQUIRE(longest.size() == 96);
  CHECK(HardwareId::parse(longest));
  CHECK(HardwareId::make("hat", std::string(90, 'a'), "b")->view() == longest);
  CHECK(HardwareId::parse(longest + "b").error() == Errc::limit);
  CHECK(HardwareId::make("hat", std::string(91, 'a'), "b").error() == Errc::limit);
  CHECK(HardwareId::make("hat", std::string(30, ' '), "b"));
  CHECK(HardwareId::make("hat", std::string(31, ' '), "b").error() == Errc::limit);
  CHECK(HardwareId::make(std::string(4096, 'a'), "a", "b").error() == Errc::limit);
  CHECK(HardwareId::parse("hat:" + std::string(100000, 'a') + ":b").error() == Errc::limit);
}

TEST_CASE("an empty hardware ID is no identity, and IDs sort by their bytes") {
  CHECK(HardwareId().empty());
  const auto id = [](const char* text) { return HardwareId::parse(text).value(); };
  CHECK(id("hat:A:1") < id("hat:a:1"));
  CHECK(id("hat:a:1") < id("hat:a:10"));
  CHECK(!(id("hat:a:1") < id("hat:a:1")));
  CHECK(id("hat:a:1") != id("hat:a:2"));
}

TEST_CASE("A37 a driver name is letters, digits, _ and -, and starts with a letter") {
  for (const std::string text : {"t", "thermo", "Thermo-2_b", "abcdefghijklmnopqrstuvwxyz_12345"}) {
    INFO(text);
    CHECK(std::string(parse_driver_name(text)->view()) == text);
  }
  for (const std::string& text : {""s, "1a"s, "_a"s, "-a"s, "a.b"s, ".."s, "../a"s, "a/b"s, "a\\b"s,
                                  "a b"s, "a\0b"s, "\xc3\xa4"s, "a\n"s, "a%2f"s}) {
    INFO(text);
    CHECK(parse_driver_name(text).error() == Errc::malformed);
  }
  CHECK(parse_driver_name(std::string(32, 'a')));
  CHECK(parse_driver_name(std::string(33, 'a')).error() == Errc::limit);
  CHECK(parse_driver_name(std::string(4096, 'a')).error() == Errc::limit);
}
