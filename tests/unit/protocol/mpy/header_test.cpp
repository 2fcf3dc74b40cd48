#include "protocol/mpy/header.hpp"

#include <string>
#include <vector>

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;
using mpyd::test::Buffer;
using mpyd::test::from_hex;

TEST_CASE("the feature byte and _mpy of every arch mean what MicroPython says") {
  struct Row {
    Arch arch;
    std::string feature_byte;
    std::uint32_t implementation_mpy;
  };
  const Row kRows[] = {
      {Arch::x86, "07", 1798},        {Arch::x64, "0b", 2822},       {Arch::armv6, "0f", 3846},
      {Arch::armv6m, "13", 4870},     {Arch::armv7m, "17", 5894},    {Arch::armv7em, "1b", 6918},
      {Arch::armv7emsp, "1f", 7942},  {Arch::armv7emdp, "23", 8966}, {Arch::xtensa, "27", 9990},
      {Arch::xtensawin, "2b", 11014}, {Arch::rv32imc, "2f", 12038},  {Arch::rv64imc, "33", 13062},
  };
  for (const Row& row : kRows) {
    INFO(arch_name(row.arch));
    const auto header = mpy::parse_header(from_hex("4d06" + row.feature_byte + "1f"));
    REQUIRE(header);
    CHECK(header->size == 4);
    CHECK(header->abi ==
          Abi{.mpy_version = 6, .sub_version = 3, .arch = row.arch, .small_int_bits = 31});
    const auto device = mpy::abi_of_implementation(row.implementation_mpy);
    REQUIRE(device);
    CHECK(*device == Abi{.mpy_version = 6, .sub_version = 3, .arch = row.arch});
  }
}

TEST_CASE("a bytecode file has no sub-version, a device without native code has one") {
  const auto header = mpy::parse_header(from_hex("4d06001f 00"));
  REQUIRE(header);
  CHECK(header->abi == Abi{.mpy_version = 6, .small_int_bits = 31});
  CHECK(mpy::parse_header(from_hex("4d06031f"))->abi == header->abi);
  CHECK(mpy::abi_of_implementation(6 | 3 << 8)->sub_version == 3);
}

TEST_CASE("arch flags follow the header as a big-endian group number") {
  struct Row {
    std::string hex;
    std::uint32_t flags;
    std::size_t size;
  };
  const Row kRows[] = {
      {"4d066f1f 01", kFlagZba, 5},
      {"4d066f1f 03 ff", kFlagZba | kFlagZcmp, 5},
      {"4d066f1f 808002", kFlagZcmp, 7},
  };
  for (const Row& row : kRows) {
    INFO(row.hex);
    const auto header = mpy::parse_header(from_hex(row.hex));
    REQUIRE(header);
    CHECK(header->abi.arch_flags == row.flags);
    CHECK(header->size == row.size);
  }
  CHECK(mpy::abi_of_implementation(12038 | 3U << 16)->arch_flags == 3);
}

TEST_CASE("A30 a header that is no header, or has an endless number, is refused") {
  struct Row {
    std::string hex;
    Errc error;
  };
  const Row kRows[] = {
      {"", Errc::truncated},
      {"4d", Errc::truncated},
      {"4d061f", Errc::truncated},
      {"6d061f1f", Errc::bad_magic},
      {"00000000", Errc::bad_magic},
      {"4d051f1f", Errc::unsupported},
      {"4d071f1f", Errc::unsupported},
      {"4d06371f", Errc::unsupported},     // arch 13
      {"4d069f1f", Errc::unsupported},     // reserved bit 7
      {"4d061f40", Errc::malformed},       // 64-bit small integers
      {"4d061f00", Errc::malformed},       // none
      {"4d066f1f 00", Errc::malformed},    // no flags after all
      {"4d066f1f 04", Errc::unsupported},  // an extension nobody knows
      {"4d066f1f 8fffffff7f", Errc::unsupported},
      {"4d064b1f 01", Errc::unsupported},  // x64 has no flags
      {"4d06401f 01", Errc::unsupported},  // nor has bytecode
      {"4d066f1f", Errc::truncated},
      {"4d066f1f80", Errc::truncated},
      {"4d066f1f 8080808080 00", Errc::malformed},
      {"4d066f1f 90808080 00", Errc::malformed},  // 33 bits
      {"4d066f1f ffffffffff 7f", Errc::malformed},
  };
  for (const Row& row : kRows) {
    INFO(row.hex);
    const auto header = mpy::parse_header(from_hex(row.hex));
    REQUIRE(!header);
    CHECK(header.error() == row.error);
  }
  CHECK(mpy::abi_of_implementation(0).error() == Errc::unsupported);
  CHECK(mpy::abi_of_implementation(5).error() == Errc::unsupported);
  CHECK(mpy::abi_of_implementation(6 | 0x37 << 8).error() == Errc::unsupported);
}

TEST_CASE("every proper prefix of a header is refused as truncated") {
  const Buffer whole = from_hex("4d066f1f 80808002");
  REQUIRE(mpy::parse_header(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(mpy::parse_header(Bytes(whole).first(size)).error() == Errc::truncated);
}
