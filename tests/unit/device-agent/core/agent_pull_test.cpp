// The whole life of a board, with the board gone, or talking nonsense, from each byte of it on.
#include <cstdlib>

#include "tests/support/agent/boards.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

// No network: policy and fleet key are known, packages and content keys come from the boards. A
// board of another kind runs in slot 0; what is tried happens in slot 1.
struct Pulls : BoardsWorld {
  explicit Pulls(BoardKind tried) : BoardsWorld(2), kind(tried) {
    give_fleet_keys(*this, {});
    server.decide(kThermoId, {.reason = Errc::no_driver});
    server.decide(kHexpansionId, {.reason = Errc::no_driver});
    boot();
    for (const BoardKind other : kBoardKinds) {
      plug_part(0, part_of(other, {}));
      REQUIRE(run_sync());
      pull(0);
    }
    std::erase_if(store.files(), [](const auto& f) { return f.first.starts_with("a-"); });
    server.is_reachable = false;
    boot();
    events.seen.clear();
    const BoardKind neighbour =
        hardware_id_of(kind) == kThermoId ? BoardKind::hexpansion_wide : BoardKind::hat_wide;
    plug_part(0, loaded_part(neighbour));
    REQUIRE(run_until_state(0, SlotState::running));
    bus.counted_slot = 1;
  }
  FakePart loaded_part(BoardKind which) const {
    const BuiltPackage& package = package_of(which);
    return part_of(which, {.package = package.bytes,
                           .key_block = build_key_block(package, {fleet_pair(1).key})});
  }
  void forget_content_key() {
    store.files().erase(std::string(agent::key_file(package_of(kind).name()).view()));
  }
  // Plugged, loaded from the EEPROM with its key block, polled for a while.
  void live(const FakePart& part) {
    forget_content_key();
    plug_part(1, part);
    REQUIRE(run_until_state(1, SlotState::running));
    run_ms(2500);  // once around what polling looks at
  }
  void expect_well() {
    for (const EventRecorder::Seen& event : events.seen)
      if (event.slot == 0 && event.kind == EventKind::removed) FAIL("the neighbour was disturbed");
    if (slot(0).state != SlotState::running) FAIL("the neighbour does not run");
    if (loader.modules().size() != 1 || loader.attached != loader.detached + 1)
      FAIL("the books do not balance");
    if (store.is_begun() || bus.written() != 0) FAIL("something was written");
    events.seen.clear();
  }
  BoardKind kind;
};

// In the quick form some of the bytes, so that every stage is hit.
std::size_t stride() { return std::getenv("MPYD_TEST_FULL") != nullptr ? 1 : 61; }

void pull_or_garble_at_each_byte(FakeBus::Fate fate) {
  const BoardKind kind = GENERATE(from_range(std::begin(kBoardKinds), std::end(kBoardKinds)));
  DYNAMIC_SECTION(name_of(kind)) {
    Pulls world(kind);
    const FakePart part = world.loaded_part(kind);
    world.bus.set_fate(FakeBus::Fate::none, 0);
    world.live(part);
    const std::size_t session = world.bus.counted_bytes;
    world.pull(1);
    world.expect_well();
    REQUIRE(session > 2000);

    for (std::size_t at = 0; at < session; at += stride()) {
      CAPTURE(at, session);
      world.forget_content_key();
      world.plug_part(1, part);
      world.bus.set_fate(fate, at);
      if (!world.run_until([&] { return world.bus.fate_came(); }, 6000)) FAIL("no such byte");
      world.run_ms(fate == FakeBus::Fate::garbage ? 700 : 0);
      world.bus.clear_fate();
      world.bus.pull(1);
      if (!world.run_until_state(1, SlotState::empty)) FAIL("not noticed");
      world.expect_well();
    }
    // A good board in the same slot.
    world.live(part);
    CHECK(world.loader.runs(1, world.package_of(kind).name()));
  }
}

TEST_CASE("A26 a board of any layout pulled at each byte of its life leaves all others well") {
  pull_or_garble_at_each_byte(FakeBus::Fate::pulled);
}

TEST_CASE("A26 a board that talks nonsense from any byte of its life on leaves all others well") {
  pull_or_garble_at_each_byte(FakeBus::Fate::garbage);
}

}  // namespace
}  // namespace mpyd::test
