// Hands and wires: boards swapped between two polls, presence lines, buses that hang.
#include "tests/support/agent/boards.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::Presence;
using agent::SlotState;

struct HotPlug : BoardsWorld {
  HotPlug() { boot(); }
  void plug_and_run(unsigned index, const FakePart& part) {
    plug_part(index, part);
    REQUIRE(run_until_state(index, SlotState::running));
    run_ms(250);
  }
  // In less time than passes between two polls.
  void swap(unsigned index, const FakePart& part) { plug_part(index, part); }
};

TEST_CASE("A26 a board swapped between two polls is another board, whichever poll it was") {
  const BoardKind kind = GENERATE(from_range(std::begin(kBoardKinds), std::end(kBoardKinds)));
  DYNAMIC_SECTION(name_of(kind)) {
    HotPlug world;
    world.plug_and_run(0, part_of(kind, {.serial = 1}));
    for (std::uint8_t n = 0; n < 40; ++n) {
      world.run_ms(100);
      const auto serial = static_cast<std::uint8_t>(2 + n);
      world.swap(0, part_of(kind, {.serial = serial}));
      const std::size_t removed = world.events.count(EventKind::removed);
      REQUIRE(world.run_until([&] { return world.events.count(EventKind::removed) > removed; }));
      REQUIRE(world.run_until_state(0, SlotState::running));
      REQUIRE(world.loader.attached == world.loader.detached + 1);
      const eeprom::BoardIdentity& identity = world.slot(0).identity;
      Buffer shown(identity.fingerprint.length);
      copy_bytes(Bytes(world.bus.image(0)).subspan(identity.fingerprint.offset, shown.size()),
                 shown);
      CHECK(same_bytes(shown, Bytes(world.slot(0).fingerprint).first(shown.size())));
    }
  }
}

TEST_CASE("A26 a board that was pulled and put back between two polls is attached anew") {
  HotPlug world;
  const FakePart part = part_of(BoardKind::hat_wide, {});
  world.plug_and_run(0, part);
  for (int n = 0; n < 20; ++n) {
    world.run_ms(100);
    const std::size_t attached = world.loader.attached;
    world.swap(0, part);  // its counter starts anew
    REQUIRE(world.run_until([&] { return world.loader.attached > attached; }, 500));
  }
  CHECK(world.loader.attached == world.loader.detached + 1);
}

TEST_CASE("a board that stays is never taken for another, whoever reads its EEPROM") {
  HotPlug world;
  const BoardKind kind = GENERATE(BoardKind::hat_wide, BoardKind::hexpansion_small);
  world.plug_and_run(0, part_of(kind, {.package = world.package_of(kind).bytes}));
  for (int n = 0; n < 50; ++n) {
    world.run_ms(100);
    Buffer config(agent::kWorkBytes);
    if (n % 3 == 0) CHECK(world.agent().read_config(0, config));
    if (n % 4 == 1) {
      world.bus.part(0).counter = 100;  // a driver read there
      world.agent().eeprom_was_read(0);
    }
    // Noise: a bit, a missing acknowledge.
    if (n % 5 == 2) world.bus.fail_at(0, Errc::no_device);
  }
  CHECK(world.events.count(EventKind::removed) == 0);
  CHECK(world.loader.attached == 1);
}

TEST_CASE("a byte that was read wrong once is noise") {
  HotPlug world;
  world.plug_and_run(0, part_of(BoardKind::hat_wide, {}));
  FakePart& part = world.bus.part(0);
  for (int n = 0; n < 40; ++n) {
    bool is_first = true;
    const std::size_t at = part.counter;
    part.bytes[at] ^= std::byte{0x10};
    world.bus.after_transfer = [&](std::size_t) {
      if (std::exchange(is_first, false)) part.bytes[at] ^= std::byte{0x10};
    };
    world.run_ms(100);
    world.bus.after_transfer = nullptr;
    if (is_first) part.bytes[at] ^= std::byte{0x10};
    INFO(n << " at " << at << " window " << world.slot(0).identity.fingerprint.offset << "+"
           << world.slot(0).identity.fingerprint.length << " counter " << world.slot(0).counter);
    CHECK(world.events.count(EventKind::removed) == 0);
  }
  CHECK(world.events.count(EventKind::removed) == 0);
}

TEST_CASE("a presence line saves polling, and is believed when it says so twice") {
  HotPlug world;
  world.bus.presence_lines[0] = Presence::absent;
  world.run_ms(300);
  world.bus.presence_lines[1] = Presence::absent;
  world.bus.presence_lines[2] = Presence::absent;
  world.bus.reset_count();
  world.run_ms(5000);
  CHECK(world.bus.transfers() == 0);

  world.bus.presence_lines[0] = Presence::present;
  world.plug_part(0, part_of(BoardKind::hat_wide, {}));
  REQUIRE(world.run_until_state(0, SlotState::running, 1000));

  // A bounce: absent, but not the next time.
  world.bus.presence_lines[0] = Presence::absent;
  REQUIRE(world.run_until([&] { return world.slot(0).misses == 1; }));
  world.bus.presence_lines[0] = Presence::present;
  world.run_ms(500);
  CHECK(world.slot(0).state == SlotState::running);

  // Pulled: known before the bus would say so.
  world.bus.presence_lines[0] = Presence::absent;
  const std::uint32_t from = world.clock.ms;
  REQUIRE(world.run_until_state(0, SlotState::empty, 500));
  CHECK(world.clock.ms - from <= world.config.probe_interval_ms + 20);
}

TEST_CASE("a bus that hangs and can be freed costs nobody anything") {
  HotPlug world;
  world.plug_and_run(0, part_of(BoardKind::hat_wide, {}));
  world.bus.recovery = FakeBus::Recovery::frees;
  for (int n = 0; n < 10; ++n) {
    world.bus.hanging[0] = n % 2 == 0 ? Errc::io : Errc::timeout;
    world.run_ms(300);
    CHECK_FALSE(world.bus.hanging.contains(0));
  }
  CHECK(world.bus.recoveries == 10);
  CHECK(world.slot(0).state == SlotState::running);
  CHECK(world.events.count(EventKind::removed) == 0);
  CHECK(world.events.count(EventKind::stuck) == 0);
}

TEST_CASE(
    "a bus that hangs for good is said once, tried ever more seldom, and said again when free") {
  HotPlug world;
  world.plug_and_run(0, part_of(BoardKind::hat_wide, {}));
  world.bus.recovery = FakeBus::Recovery::fails;
  world.bus.hanging[0] = Errc::timeout;
  world.bus.hanging[1] = Errc::io;  // an empty slot's channel as well
  world.run_ms(60'000);
  CHECK(world.bus.recoveries < 30);
  REQUIRE(world.events.count(EventKind::stuck) == 2);
  CHECK(world.events.last(EventKind::stuck)->error != Errc{});
  // Nobody can tell whether the board is there, so it is not gone; other slots go on.
  CHECK(world.slot(0).state == SlotState::running);
  world.plug_and_run(2, part_of(BoardKind::hexpansion_wide, {}));

  world.bus.hanging.clear();
  world.run_ms(20'000);
  CHECK(world.events.count(EventKind::stuck) == 4);
  CHECK(world.events.last(EventKind::stuck)->error == Errc{});
  CHECK(world.slot(0).state == SlotState::running);
  CHECK(world.events.count(EventKind::removed) == 0);
}

TEST_CASE("where nobody can look at the lines, a bus that fails is a board that is gone") {
  HotPlug world;
  world.plug_and_run(0, part_of(BoardKind::hat_wide, {}));
  world.bus.hanging[0] = Errc::io;
  REQUIRE(world.run_until_state(0, SlotState::empty, 1000));
  world.run_ms(10'000);
  CHECK(world.events.count(EventKind::stuck) == 1);
  world.bus.hanging.clear();
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.events.count(EventKind::stuck) == 2);
  // Lines that are free, and transfers that fail: that is how some adapters say that nobody is
  // there.
  world.bus.recovery = FakeBus::Recovery::finds_it_free;
  world.bus.hanging[0] = Errc::io;
  REQUIRE(world.run_until_state(0, SlotState::empty, 1000));
  CHECK(world.events.count(EventKind::stuck) == 2);
}

TEST_CASE("a channel that hangs is asked seldom, also where nobody can look at its lines") {
  HotPlug world;
  world.run_ms(1000);
  const auto transfers = [&] {
    const std::size_t before = world.bus.transfers();
    world.run_ms(10'000);
    return world.bus.transfers() - before;
  };
  const std::size_t all_slots = transfers();
  world.bus.hanging[1] = Errc::timeout;
  const std::size_t without_one = transfers();
  CHECK(without_one < all_slots - all_slots / 4);
  CHECK(world.events.count(EventKind::stuck) == 0);
  world.bus.hanging.clear();
  world.plug_and_run(1, part_of(BoardKind::hat_wide, {}));
}

}  // namespace
}  // namespace mpyd::test
