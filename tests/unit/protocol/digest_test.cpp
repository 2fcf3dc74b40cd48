#include "protocol/digest.hpp"

#include <string>

#include "protocol/crypto.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;

TEST_CASE("a digest is written in lower-case hex and read back") {
  const Digest digest = crypto::sha256(as_bytes("abc"));
  const std::string hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  CHECK(std::string(format_digest(digest).view()) == hex);
  CHECK(parse_digest(hex) == digest);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto any = test::random_fixed<Digest>(seed);
    CHECK(parse_digest(format_digest(any).view()) == any);
  }
}

TEST_CASE("A37 only 64 lower-case hex digits are a digest") {
  const std::string good(64, 'a');
  REQUIRE(parse_digest(good));
  for (std::size_t size : {0, 1, 63, 65, 128, 4096})
    CHECK(parse_digest(std::string(size, 'a')).error() == Errc::malformed);
  for (char c : {'A', 'F', 'g', '/', ':', '`', ' ', '.', '\0', '\xff'}) {
    for (std::size_t at : {0, 31, 63}) {
      std::string text = good;
      text[at] = c;
      CHECK(parse_digest(text).error() == Errc::malformed);
    }
  }
}

TEST_CASE("fixed values are made from exactly their size, and compare by content") {
  for (std::size_t size = 0; size < 40; ++size) {
    const test::Buffer bytes(size, std::byte{7});
    CHECK(Digest::from(bytes).has_value() == (size == 32));
    CHECK(KeyId::from(bytes).has_value() == (size == 8));
  }
  CHECK(Digest().is_zero());
  Digest one;
  one.data[31] = std::byte{1};
  CHECK(!one.is_zero());
  CHECK(Digest() < one);
}

TEST_CASE("inline text and vectors stay as they are when something does not fit") {
  auto text = InlineText<4>::make("abc").value();
  CHECK(!text.append("de"));
  CHECK(text.view() == "abc");
  CHECK(text.append('d'));
  CHECK(!text.append('e'));
  CHECK(std::string(text.c_str()) == "abcd");
  CHECK(text.append(""));
  text.clear();
  CHECK(text.empty());
  CHECK(InlineText<4>::make("abcde").error() == Errc::limit);

  InlineVector<int, 2> numbers;
  CHECK(numbers.push_back(1));
  CHECK(numbers.push_back(2));
  CHECK(numbers.full());
  CHECK(!numbers.push_back(3));
  CHECK(numbers.size() == 2);
  CHECK(numbers[1] == 2);
}
