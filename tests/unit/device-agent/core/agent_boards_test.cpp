// Boards of every layout and geometry, and what lies beside them.
#include <algorithm>

#include "tests/support/agent/boards.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

TEST_CASE("a board of each layout loads from its EEPROM, wherever it answers") {
  const BoardKind kind = GENERATE(from_range(std::begin(kBoardKinds), std::end(kBoardKinds)));
  DYNAMIC_SECTION(name_of(kind)) {
    BoardsWorld world;
    world.boot();
    world.plug_part(1, part_of(kind, {.package = world.package_of(kind).bytes}));
    const Buffer before = world.bus.image(1);
    REQUIRE(world.run_until_state(1, SlotState::running));
    CHECK(world.slot(1).identity.hardware_id.view() == hardware_id_of(kind));
    CHECK(world.loader.runs(1, world.package_of(kind).name()));
    CHECK(world.server.count("/v1/packages/") == 0);
    CHECK(world.bus.image(1) == before);
    CHECK(world.bus.written() == 0);
  }
}

TEST_CASE("two identical boards are two instances of one driver") {
  BoardsWorld world;
  world.boot();
  const FakePart part = part_of(BoardKind::hat_wide, {});
  world.plug_part(0, part);
  world.plug_part(2, part);
  REQUIRE(world.run_until_state(0, SlotState::running));
  REQUIRE(world.run_until_state(2, SlotState::running));
  CHECK(world.loader.modules().size() == 1);
  CHECK(world.loader.attached == 2);
}

TEST_CASE("what is no board of ours beside a board is left alone") {
  BoardsWorld world;
  world.boot();
  FakePart clock = FakePart::of(Random(5).bytes(4096), 4096);
  clock.address = clock.answers_until = 0x57;
  FakePart small = FakePart::small(Random(6).bytes(256), 256);
  small.address = small.answers_until = 0x53;
  const Buffer clock_before = clock.bytes;
  const Buffer small_before = small.bytes;
  world.bus.plug_parts(0, {part_of(BoardKind::hat_wide, {}), clock, small});
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.run_ms(2000);
  CHECK(world.bus.part(0, 1).bytes == clock_before);
  CHECK(world.bus.part(0, 2).bytes == small_before);
  CHECK(world.bus.written() == 0);
  CHECK(world.events.last(EventKind::identified)->detail == kThermoId);
}

TEST_CASE("a board that comes beside a memory that is none is noticed") {
  BoardsWorld world;
  world.boot();
  FakePart clock = FakePart::of({}, 4096);
  clock.address = clock.answers_until = 0x57;
  world.bus.plug_parts(0, {clock});
  REQUIRE(world.run_until_state(0, SlotState::unidentified));
  CHECK(world.slot(0).error == Errc::blank);
  world.run_ms(1000);
  CHECK(world.events.count(EventKind::plugged) == 1);
  world.bus.plug_parts(0, {part_of(BoardKind::hat_wide, {}), clock});
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.bus.plug_parts(0, {clock});
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::removed) == 1; }));
  REQUIRE(world.run_until_state(0, SlotState::unidentified));
}

TEST_CASE("a board that is programmed where it is comes to life without a plug") {
  BoardsWorld world;
  world.boot();
  FakePart part = part_of(BoardKind::hat_wide, {});
  const Buffer good = part.bytes;
  const bool is_blank = GENERATE(true, false);
  if (is_blank)
    part.bytes.assign(part.bytes.size(), std::byte{0xff});
  else
    part.bytes[14] ^= std::byte{1};
  world.plug_part(0, part);
  REQUIRE(world.run_until_state(0, SlotState::unidentified));
  world.run_ms(500);
  world.bus.reset_count();
  world.run_ms(20'000);
  CHECK(world.bus.bus_bytes() < 20 * 2500);
  CHECK(world.slot(0).state == SlotState::unidentified);
  CHECK(world.events.count(EventKind::unidentified) == 1);
  CHECK(world.bus.written() == 0);

  SECTION("its identity is right") {
    world.bus.image(0) = good;
    REQUIRE(world.run_until_state(0, SlotState::running, 8000));
    CHECK(world.events.last(EventKind::loaded)->duration_ms < 2000);
  }
  SECTION("something else is wrong with it: that is news, once") {
    world.bus.image(0) = is_blank ? Random(8).bytes(good.size()) : Buffer(good.size());
    world.run_ms(20'000);
    CHECK(world.events.count(EventKind::unidentified) == 2);
    CHECK(world.events.last(EventKind::unidentified)->error == world.slot(0).error);
  }
  CHECK(world.events.count(EventKind::plugged) == 1);
  CHECK(world.events.count(EventKind::removed) == 0);
}

TEST_CASE("a memory whose width does not show is told with what it reads") {
  BoardsWorld world;
  world.boot();
  Buffer image(8192);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<std::byte>(i % 15 + 0xa0);
  world.plug_part(0, FakePart::of(image));
  REQUIRE(world.run_until_state(0, SlotState::unidentified));
  REQUIRE(world.slot(0).error == Errc::undecided);
  const std::string detail = world.events.last(EventKind::unidentified)->detail;
  CHECK_THAT(detail, Catch::StartsWith("what answers at 0x50 may be a memory with one or two "
                                       "address bytes: say which with the slot; somewhere it "
                                       "reads a"));
  CHECK(std::ranges::count(detail, 'a') >= 12);
  CHECK(world.bus.image(0) == image);
}

TEST_CASE("many boards without identity take little of the bus, and keep no other waiting") {
  BoardsWorld world(64);
  world.boot();
  for (unsigned i = 0; i < 63; ++i) world.plug_part(i, FakePart::of({}));
  REQUIRE(world.run_until_state(62, SlotState::unidentified, 60'000));
  world.run_ms(1000);
  world.bus.reset_count();
  world.run_ms(20'000);
  CAPTURE(world.bus.bus_bytes());
  CHECK(world.bus.bus_bytes() < 20 * 12'000);
  world.plug_part(63, part_of(BoardKind::hat_wide, {}));
  CHECK(world.run_until_state(63, SlotState::running, 1000));
}

TEST_CASE("one slot takes one board: another identity on its channel is pointed out") {
  BoardsWorld world;
  world.places.resize(3);
  const bool is_declared = GENERATE(false, true);
  FakePart second = part_of(BoardKind::hat_wide, {.serial = 2});
  second.address = second.answers_until = 0x51;
  const std::vector<FakePart> stack = {part_of(BoardKind::hat_wide, {}), second};
  if (is_declared)
    for (std::uint8_t i = 0; i < 3; ++i) {
      const auto address = static_cast<std::uint8_t>(0x50 + i);
      world.places[i].eeprom = {.first_address = address, .last_address = address};
    }
  world.boot();
  world.bus.plug_parts(0, stack);
  if (is_declared) world.bus.plug_parts(1, stack);  // the same channel: another slot of it
  REQUIRE(world.run_until_state(0, SlotState::running));
  const std::string detail = world.events.last(EventKind::identified)->detail;
  if (!is_declared) {
    CHECK(detail == std::string(kThermoId) +
                        "; 0x51 has an identity, too: give each address a slot of its own");
    return;
  }
  REQUIRE(world.run_until_state(1, SlotState::running));
  CHECK(world.slot(1).part.address == 0x51);
  CHECK(world.slot(0).identity.serial[15] != world.slot(1).identity.serial[15]);
}

TEST_CASE("a part whose address counter does not move is polled by address, and kept") {
  BoardsWorld world;
  world.places.assign(3, {.eeprom = {.address_bytes = 2}});
  world.boot();
  FakePart part = part_of(BoardKind::hat_wide, {});
  part.counter_stands = true;
  world.plug_part(0, part);
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.run_ms(3000);
  CHECK(world.events.count(EventKind::removed) == 0);
  world.plug_part(0, part_of(BoardKind::hat_wide, {.serial = 2}));  // still noticed, by address
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::removed) == 1; }));
}

TEST_CASE("a board is identified wherever the address counter of its EEPROM stands") {
  const BoardKind kind = GENERATE(from_range(std::begin(kBoardKinds), std::end(kBoardKinds)));
  DYNAMIC_SECTION(name_of(kind)) {
    BoardsWorld world;
    world.boot();
    FakePart part = part_of(kind, {});
    for (std::size_t counter = 0; counter < part.bytes.size(); counter += part.bytes.size() / 97) {
      CAPTURE(counter);
      part.counter = counter;  // the motherboard was reset, the board was not
      world.plug_part(0, part);
      REQUIRE(world.run_until_state(0, SlotState::running));
      world.pull(0);
    }
    CHECK(world.events.count(EventKind::unidentified) == 0);
  }
}

TEST_CASE("the operator's refusal of a board is said, and nothing runs") {
  BoardsWorld world;
  world.server.entries[kThermoId].set_board_refused(1);
  world.server.publish_head();
  world.boot();
  world.plug_part(0, part_of(BoardKind::hat_wide, {.package = world.hat.bytes}));
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::policy);
  CHECK(world.events.last(EventKind::refused)->detail == "the operator refuses this board");
  CHECK(world.loader.entered == 0);
}

}  // namespace
}  // namespace mpyd::test
