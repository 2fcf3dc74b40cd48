#include "protocol/eeprom/part_writer.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/i2c/bit_bang.hpp"
#include "tests/support/i2c/bus.hpp"
#include "tests/support/i2c/parts.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using test::Buffer;
using test::i2c::BitBang;
using test::i2c::Bus;
using test::i2c::Memory;
using test::i2c::memory_kind;

namespace {

const char* const kNames[] = {"24c01",  "24c02",  "24c04",  "24c08",   "24c16",   "24c32",  "24c64",
                              "24c128", "24c256", "24c512", "fm24c04", "fm24c16", "fm24c64"};

Part part_of(const test::i2c::MemoryKind& kind) {
  return {.address = 0x50,
          .address_bytes = static_cast<std::uint8_t>(kind.address_bytes),
          .blocks = static_cast<std::uint8_t>(
              kind.address_bytes == 1 && kind.size > 256 ? kind.size / 256 : 1),
          .size = kind.size};
}

// Waits as a caller would, and counts the polls.
unsigned wait_until_ready(PartWriter& writer) {
  for (unsigned polls = 1; polls < 1000; ++polls)
    if (writer.is_ready().value()) return polls;
  FAIL("the part never answered again");
  return 0;
}

void write_all(PartWriter& writer, const Part& part, Bytes content) {
  const std::uint32_t page = page_bytes_of(part);
  for (std::uint32_t at = 0; at < content.size(); at += page) {
    REQUIRE(writer.begin(at, content.subspan(at, page), page));
    wait_until_ready(writer);
  }
}

}  // namespace

TEST_CASE("what is written page by page is what every part holds, in all its blocks") {
  for (const std::string name : kNames) {
    const auto kind = memory_kind(name);
    const Part part = part_of(kind);
    Bus bus;
    auto& memory = bus.add<Memory>(kind, Bytes{});
    BitBang master(bus);
    PartWriter writer(master, part);
    const Buffer content = test::Random(1).bytes(std::min<std::uint32_t>(kind.size, 4096));
    write_all(writer, part, content);
    CAPTURE(name);
    CHECK(page_bytes_of(part) <= kind.page);
    CHECK(same_bytes(Bytes(memory.content()).first(content.size()), content));
    CHECK(writer.check(0, content));
  }
}

TEST_CASE("a part that writes does not answer, and is waited for by asking it") {
  Bus bus;
  const auto kind = memory_kind("24c64");
  bus.add<Memory>(kind, Bytes{});
  BitBang master(bus);
  PartWriter writer(master, part_of(kind));
  const Buffer page = test::Random(2).bytes(32);
  REQUIRE(writer.begin(64, page, 32));
  CHECK_FALSE(writer.is_ready().value());
  // 5 ms, at nine clocks and a START of 10 us for each question.
  const unsigned polls = wait_until_ready(writer);
  CHECK(polls > 20);
  CHECK(polls < 60);
  CHECK(writer.check(64, page));
}

TEST_CASE("a page that is none of this part is refused before anything is sent") {
  Bus bus;
  const auto kind = memory_kind("24c02");
  auto& memory = bus.add<Memory>(kind, Bytes{});
  BitBang master(bus);
  PartWriter writer(master, part_of(kind));
  const Buffer bytes = test::Random(3).bytes(300);
  const auto error_of = [&](std::uint32_t offset, std::size_t count, std::uint32_t page) {
    return writer.begin(offset, Bytes(bytes).first(count), page).error();
  };
  CHECK(error_of(4, 8, 8) == Errc::malformed);
  CHECK(error_of(0, 9, 8) == Errc::malformed);
  CHECK(error_of(0, 0, 8) == Errc::malformed);
  CHECK(error_of(0, 8, 0) == Errc::malformed);
  CHECK(error_of(0, 8, 512) == Errc::malformed);
  CHECK(error_of(256, 1, 8) == Errc::truncated);
  CHECK(error_of(248, 9, 16) == Errc::truncated);
  CHECK(PartWriter(master, {.address = 0x50}).begin(0, Bytes(bytes).first(1), 8).error() ==
        Errc::undecided);
  CHECK(memory.commits() == 0);
}

TEST_CASE("a part that is write protected says so, whether it takes the data or not") {
  for (const bool refuses : {false, true}) {
    Bus bus;
    const auto kind = memory_kind("24c64");
    auto& memory = bus.add<Memory>(kind, Bytes{});
    memory.protect(true, refuses);
    BitBang master(bus);
    PartWriter writer(master, part_of(kind));
    const Buffer page = test::Random(4).bytes(32);
    const auto begun = writer.begin(0, page, 32);
    CAPTURE(refuses);
    if (refuses) {
      CHECK(begun.error() == Errc::write_protected);
    } else {
      REQUIRE(begun);
      wait_until_ready(writer);
      CHECK(writer.check(0, page).error() == Errc::write_protected);
    }
    CHECK(memory.commits() == 0);
  }
  Bus empty;
  BitBang master(empty);
  PartWriter writer(master, part_of(memory_kind("24c64")));
  CHECK(writer.begin(0, test::Random(5).bytes(8), 8).error() == Errc::no_device);
}

TEST_CASE("a master that is reset while it writes a page leaves all other pages as they were") {
  for (const std::string name : {"24c02", "24c16", "24c64", "fm24c16", "fm24c64"}) {
    const auto kind = memory_kind(name);
    const Buffer before = test::Random(6).bytes(kind.size);
    Bus bus;
    bus.add<Memory>(kind, before);
    BitBang master(bus);
    PartWriter writer(master, part_of(kind));
    const std::uint32_t page = page_bytes_of(part_of(kind));
    const Buffer content = test::Random(7).bytes(page);
    std::size_t edges = 0;
    std::size_t beyond = 0;
    bus.before_change = [&] {
      for (const bool scl_first : {false, true}) {
        Bus copy(bus);
        copy.reset_master(scl_first);
        BitBang after(copy);
        if (!after.recover()) ++beyond;
        Buffer there = dynamic_cast<Memory&>(copy.slave(0)).content();
        std::copy_n(before.begin() + page, page, there.begin() + page);
        if (!same_bytes(there, before)) ++beyond;
      }
      ++edges;
    };
    REQUIRE(writer.begin(page, content, page));
    bus.before_change = {};
    CAPTURE(name);
    CHECK(edges > page * 18);
    CHECK(beyond == 0);
    wait_until_ready(writer);
    CHECK(writer.check(page, content));
  }
}

TEST_CASE("power that goes in a write cycle takes that page at most") {
  Bus bus;
  const auto kind = memory_kind("24c64");
  const Buffer before = test::Random(8).bytes(kind.size);
  auto& memory = bus.add<Memory>(kind, before);
  BitBang master(bus);
  PartWriter writer(master, part_of(kind));
  const Buffer page = test::Random(9).bytes(32);
  REQUIRE(writer.begin(96, page, 32));
  memory.cut_power(bus.now_ns());
  CHECK(writer.check(96, page).error() == Errc::write_protected);
  Buffer there = memory.content();
  std::copy_n(before.begin() + 96, 32, there.begin() + 96);
  CHECK(same_bytes(there, before));
}
