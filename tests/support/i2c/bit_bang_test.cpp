#include "tests/support/i2c/bit_bang.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/i2c/bus.hpp"
#include "tests/support/i2c/parts.hpp"

using namespace mpyd;
using test::Buffer;
using test::i2c::BitBang;
using test::i2c::Bus;
using test::i2c::Failure;
using test::i2c::Memory;
using test::i2c::memory_kind;

namespace {

constexpr std::byte kStart[2] = {};

Result<void> read_start(BitBang& master, MutableBytes in) {
  return master.write_read(0x50, kStart, in);
}

}  // namespace

TEST_CASE("bytes are written, read after a repeated START, and read on from where reading ended") {
  Bus bus;
  const Buffer content = test::Random(1).bytes(8192);
  bus.add<Memory>(memory_kind("24c64"), content);
  BitBang master(bus);
  Buffer first(5);
  Buffer next(7);
  REQUIRE(read_start(master, first));
  REQUIRE(master.write_read(0x50, {}, next));
  CHECK(same_bytes(first, Bytes(content).first(5)));
  CHECK(same_bytes(next, Bytes(content).subspan(5, 7)));
  CHECK(bus.bytes() == 1 + 2 + 1 + 5 + 1 + 7);
  CHECK(master.write_read(0x50, {}, {}));
  CHECK(master.write_read(0x51, {}, {}).error() == Errc::no_device);
  CHECK(master.write_read(0x51, {}, next).error() == Errc::no_device);
  CHECK(bus.scl());
  CHECK(bus.sda());
}

TEST_CASE("a clock that is stretched is waited for, and not for ever") {
  Bus bus;
  auto& memory = bus.add<Memory>(memory_kind("24c64"), Bytes{});
  BitBang master(bus);
  Buffer in(4);
  memory.stretch(20'000'000);
  CHECK(read_start(master, in));
  memory.stretch(30'000'000);
  CHECK(read_start(master, in).error() == Errc::timeout);
  memory.fail_from(0, Failure::stretches_scl);
  const std::uint64_t before = bus.now_ns();
  CHECK(read_start(master, in).error() == Errc::timeout);
  CHECK(master.recover().error() == Errc::timeout);
  CHECK(bus.now_ns() - before < 100'000'000);
}

TEST_CASE("a part that holds SDA is clocked free, one that never lets go is reported") {
  for (const unsigned clocks : {1U, 5U, 9U, 0U}) {
    Bus bus;
    auto& memory = bus.add<Memory>(memory_kind("24c64"), Bytes{});
    memory.fail_from(0, Failure::stuck_sda, clocks);
    BitBang master(bus);
    Buffer in(4);
    bus.pass(1);
    CAPTURE(clocks);
    CHECK(read_start(master, in).error() == Errc::io);
    if (clocks == 0) {
      CHECK(master.recover().error() == Errc::io);
    } else {
      CHECK(master.recover());
      CHECK(read_start(master, in));
    }
  }
}

// A part that waits for data takes nine clocks with SDA released for a byte ff, and one that
// commits at ACK keeps it: the reason why recover() clocks only while SDA is held.
TEST_CASE("recovery writes nothing to a part that waits for data, wherever the master was reset") {
  Bus bus;
  auto& memory = bus.add<Memory>(memory_kind("fm24c64"), test::Random(2).bytes(8192));
  BitBang master(bus);
  std::size_t bad = 0;
  bus.before_change = [&] {
    for (const bool scl_first : {false, true}) {
      Bus copy(bus);
      copy.reset_master(scl_first);
      if (!BitBang(copy).recover() || copy.commits() != 0) ++bad;
    }
  };
  Buffer in(3);
  REQUIRE(read_start(master, in));
  CHECK(bad == 0);
  CHECK(memory.commits() == 0);
}

// A STOP would have the part write what it took.
TEST_CASE("a part that refuses data in the middle is made to forget what it took of it") {
  Bus bus;
  auto& memory = bus.add<Memory>(memory_kind("24c64"), Bytes{});
  bus.before_change = [&] { memory.protect(bus.bytes() >= 6, true); };
  BitBang master(bus);
  CHECK(master.write_read(0x50, test::Random(3).bytes(10), {}).error() == Errc::no_device);
  Buffer in(1);
  CHECK(read_start(master, in));
  CHECK(memory.commits() == 0);
}
