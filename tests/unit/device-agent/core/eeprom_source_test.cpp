#include "device-agent/core/eeprom_source.hpp"

#include "tests/support/agent/fake_bus.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EepromSource;

TEST_CASE("reads of any size and place come in short transfers and are never writes") {
  FakeBus bus;
  const Buffer image = Random(1).bytes(FakeBus::kPartBytes);
  bus.plug(2, image);
  EepromSource source(bus, 2, FakeBus::kAddress);
  for (std::size_t offset : {0u, 1u, 127u, 255u, 256u, 5000u}) {
    for (std::size_t size : {1u, 127u, 128u, 129u, 1000u}) {
      Buffer out(size);
      bus.reset_count();
      REQUIRE(source.read(static_cast<std::uint32_t>(offset), out));
      CHECK(same_bytes(out, Bytes(image).subspan(offset, size)));
      CHECK(bus.transfers() == (size + 127) / 128);
    }
  }
  CHECK(bus.written() == 0);
}

TEST_CASE("a base moves every read") {
  FakeBus bus;
  const Buffer image = Random(1).bytes(FakeBus::kPartBytes);
  bus.plug(0, image);
  EepromSource source(bus, 0, FakeBus::kAddress, 300);
  Buffer out(50);
  REQUIRE(source.read(7, out));
  CHECK(same_bytes(out, Bytes(image).subspan(307, 50)));
}

TEST_CASE("A29 reads beyond what two address bytes reach are refused, not wrapped") {
  FakeBus bus;
  bus.plug(0, Random(1).bytes(100));
  Buffer out(2);
  EepromSource source(bus, 0, FakeBus::kAddress);
  CHECK(source.read(kEepromBytesMax - 2, out));
  CHECK(source.read(kEepromBytesMax - 1, out).error() == Errc::truncated);
  CHECK(source.read(kEepromBytesMax + 1, out).error() == Errc::truncated);
  CHECK(EepromSource(bus, 0, FakeBus::kAddress, 65'000).read(600, out).error() == Errc::truncated);
  CHECK(EepromSource(bus, 0, FakeBus::kAddress, 65'000).read(0xffffffff, out).error() ==
        Errc::truncated);
}

TEST_CASE("the bus's errors come through") {
  FakeBus bus;
  Buffer out(300);
  EepromSource source(bus, 0, FakeBus::kAddress);
  CHECK(source.read(0, out).error() == Errc::no_device);
  bus.plug(0, {});
  bus.fail_at(2, Errc::timeout);
  CHECK(source.read(0, out).error() == Errc::timeout);
  CHECK(EepromSource(bus, 0, 0x51).read(0, out).error() == Errc::no_device);
}

}  // namespace
}  // namespace mpyd::test
