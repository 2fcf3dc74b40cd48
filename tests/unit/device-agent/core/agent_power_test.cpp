// Boards that ask for more current than there is.
#include "tests/support/agent/boards.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

struct Power : BoardsWorld {
  Power() { config.current_ma = 1200; }
  void plug_taking(unsigned index, std::uint32_t current_ma) {
    plug_part(index, part_of(BoardKind::hat_wide, {.current_ma = current_ma}));
  }
};

TEST_CASE("a board that asks for more current than is left is refused with the sum") {
  Power world;
  world.boot();
  world.plug_taking(0, 400);
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.plug_taking(2, 500);
  REQUIRE(world.run_until_state(2, SlotState::running));
  world.plug_taking(1, 600);
  REQUIRE(world.run_until_state(1, SlotState::refused));
  CHECK(world.slot(1).error == Errc::power);
  CHECK(world.events.last(EventKind::refused)->detail ==
        "asks for 600 mA; 900 of 1200 mA are taken by slots 0 and 2");
  // It stays so, and the operator hears of it.
  world.run_ms(130'000);
  CHECK(world.slot(1).state == SlotState::refused);
  CHECK(world.events.count(EventKind::refused) == 1);
  CHECK(world.loader.attached == 2);
  for (const v1::BoardReport& board : world.server.syncs.back().boards())
    CHECK(board.error() == static_cast<std::uint32_t>(board.slot() == 1 ? Errc::power : Errc{}));
  CHECK(world.server.syncs.back().boards_size() == 3);

  SECTION("what a pulled board gives back goes to it") {
    world.pull(0);
    REQUIRE(world.run_until_state(1, SlotState::running));
    world.plug_taking(0, 200);
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.events.last(EventKind::refused)->detail ==
          "asks for 200 mA; 1100 of 1200 mA are taken by slots 1 and 2");
  }
  SECTION("a board that takes less takes its place") {
    world.pull(1);
    world.plug_taking(1, 300);
    REQUIRE(world.run_until_state(1, SlotState::running));
  }
}

TEST_CASE("a slot feeds no more than it can, whatever is left for all") {
  Power world;
  world.places.resize(3);
  world.places[1].current_ma = 500;
  world.boot();
  world.plug_taking(1, 501);
  REQUIRE(world.run_until_state(1, SlotState::refused));
  CHECK(world.events.last(EventKind::refused)->detail ==
        "asks for 501 mA; this slot can feed 500 mA");
  world.plug_taking(0, 501);
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  world.run_ms(500);
  CHECK(world.slot(1).state == SlotState::refused);
}

TEST_CASE("what a power board supplies is not taken, and absurd claims do not overflow") {
  Power world;
  world.boot();
  FakePart supply = part_of(BoardKind::hat_wide, {.current_ma = 5000});
  supply.address = supply.answers_until = 0x52;
  world.plug_part(0, supply);
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.plug_taking(1, 1200);
  REQUIRE(world.run_until_state(1, SlotState::running));
  world.plug_taking(2, 0xffffffff);
  REQUIRE(world.run_until_state(2, SlotState::refused));
  CHECK(world.events.last(EventKind::refused)->detail ==
        "asks for 4294967295 mA; 1200 of 1200 mA are taken by slot 1");
}

}  // namespace
}  // namespace mpyd::test
