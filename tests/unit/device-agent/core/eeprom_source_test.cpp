#include "device-agent/core/eeprom_source.hpp"

#include "tests/support/agent/fake_bus.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EepromSource;
using agent::Slot;

// A slot whose board's EEPROM is known.
Slot slot_with(const FakePart& part) {
  Slot slot;
  slot.part = {.address = part.address,
               .answers_until = part.answers_until,
               .address_bytes = part.address_bytes,
               .blocks = static_cast<std::uint8_t>(part.answers_until - part.address + 1),
               .size = static_cast<std::uint32_t>(part.bytes.size())};
  return slot;
}

TEST_CASE("reads of any size and place come in short transfers and are never writes") {
  FakeBus bus;
  const Buffer image = Random(1).bytes(FakeBus::kPartBytes);
  bus.plug(2, image);
  Slot slot = slot_with(bus.part(2));
  EepromSource source(bus, 2, slot);
  for (std::size_t offset : {0u, 1u, 127u, 255u, 256u, 5000u}) {
    for (std::size_t size : {1u, 127u, 128u, 129u, 1000u}) {
      Buffer out(size);
      bus.reset_count();
      REQUIRE(source.read(static_cast<std::uint32_t>(offset), out));
      CHECK(same_bytes(out, Bytes(image).subspan(offset, size)));
      CHECK(bus.transfers() == (size + 127) / 128);
      CHECK(slot.counter == offset + size);
      CHECK(bus.part(2).counter == slot.counter);
    }
  }
  CHECK(bus.written() == 0);
}

TEST_CASE("a base moves every read, and the part's address counter is known afterwards") {
  FakeBus bus;
  const Buffer image = Random(1).bytes(FakeBus::kPartBytes);
  bus.plug(0, image);
  Slot slot = slot_with(bus.part(0));
  EepromSource source(bus, 0, slot, 300);
  Buffer out(50);
  REQUIRE(source.read(7, out));
  CHECK(same_bytes(out, Bytes(image).subspan(307, 50)));
  CHECK(slot.counter == 357);
}

TEST_CASE("A29 reads beyond the part are refused, not wrapped") {
  FakeBus bus;
  for (const std::size_t size : {std::size_t{2048}, std::size_t{8192}, std::size_t{65536}}) {
    const FakePart part = size < 4096 ? FakePart::small({}, size) : FakePart::of({}, size);
    bus.plug_parts(0, {part});
    Slot slot = slot_with(part);
    Buffer out(2);
    EepromSource source(bus, 0, slot);
    const auto end = static_cast<std::uint32_t>(size);
    CHECK(source.read(end - 2, out));
    CHECK(source.read(end - 1, out).error() == Errc::truncated);
    CHECK(source.read(end + 1, out).error() == Errc::truncated);
    CHECK(EepromSource(bus, 0, slot, end - 500).read(600, out).error() == Errc::truncated);
    CHECK(EepromSource(bus, 0, slot, end - 500).read(0xffffffff, out).error() == Errc::truncated);
  }
}

TEST_CASE("the bus's errors come through, and leave nobody knowing where the counter stands") {
  FakeBus bus;
  Buffer out(300);
  bus.plug(0, {});
  Slot slot = slot_with(bus.part(0));
  EepromSource source(bus, 0, slot);
  REQUIRE(source.read(0, out));
  bus.fail_at(2, Errc::timeout);
  CHECK(source.read(0, out).error() == Errc::timeout);
  CHECK(slot.counter == Slot::kCounterUnknown);
  bus.pull(0);
  CHECK(source.read(0, out).error() == Errc::no_device);
}

}  // namespace
}  // namespace mpyd::test
