// Drivers that take the motherboard down, and those that only happen to be there.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

struct Crash {};

// A motherboard that resets whenever the guilty driver is entered.
struct Guilty : World {
  BuiltPackage bad = driver_package(kThermoId, 1);
  BuiltPackage good = driver_package(kRelayId, 1);
  bool crashes_in_attach = true;
  unsigned resets = 0;

  Guilty() {
    server.decide(kThermoId, {.package = &bad});
    server.decide(kRelayId, {.package = &good});
    loader.on_attach = [this](const Digest& digest, unsigned) {
      if (digest == bad.name() && crashes_in_attach) throw Crash{};
    };
    boot();
  }
  // Runs; a crash is a reset.
  bool run_until_or_reset(const std::function<bool()>& done, std::uint32_t timeout_ms = 10'000) {
    const std::uint32_t end = clock.ms + timeout_ms;
    while (static_cast<std::int32_t>(end - clock.ms) > 0) {
      try {
        return run_until(done, end - clock.ms);
      } catch (const Crash&) {
        ++resets;
        boot();
      }
    }
    return done();
  }
  bool is_quarantined(unsigned index) const {
    return slot(index).state == SlotState::refused && slot(index).error == Errc::quarantined;
  }
  void bring_into_quarantine() {
    plug(0, thermo_image());
    REQUIRE(run_until_or_reset([&] { return is_quarantined(0); }, 200'000));
    REQUIRE(resets == 3);
  }
};

TEST_CASE("a driver that takes the motherboard down three times in a row is quarantined") {
  Guilty world;
  SECTION("in attach") {}
  SECTION("in the loader") {
    world.loader.on_attach = nullptr;
    world.loader.on_enter = [] { throw Crash{}; };
  }
  world.bring_into_quarantine();
  world.run_ms(70'000);
  CHECK(world.resets == 3);
  CHECK(world.events.last(EventKind::refused)->error == Errc::quarantined);
  CHECK(world.events.last(EventKind::refused)->detail.find("3 times in a row") !=
        std::string::npos);
  CHECK(world.events.last(EventKind::refused)->detail.find("another release") != std::string::npos);
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().boards(0).error() == static_cast<unsigned>(Errc::quarantined));
  // It stays so over resets, however many.
  for (int i = 0; i < 3; ++i) {
    world.boot();
    REQUIRE(world.run_until([&] { return world.is_quarantined(0); }));
  }
}

TEST_CASE("another board's driver is loaded meanwhile and never quarantined with the guilty one") {
  Guilty world;
  const bool guilty_first = GENERATE(true, false);
  world.plug(guilty_first ? 0 : 1, thermo_image());
  world.plug(guilty_first ? 1 : 0, board_image(0x43));
  const unsigned guilty = guilty_first ? 0 : 1;
  std::size_t loads_of_good = 0;
  REQUIRE(world.run_until_or_reset(
      [&] {
        loads_of_good += world.loader.runs(1 - guilty, world.good.name());
        return world.is_quarantined(guilty);
      },
      400'000));
  CHECK(world.resets == 3);
  CHECK(loads_of_good > 0);
  REQUIRE(world.run_until([&] { return world.loader.runs(1 - guilty, world.good.name()); }));
  world.run_ms(100'000);
  CHECK(world.loader.runs(1 - guilty, world.good.name()));
  CHECK(world.resets == 3);
}

TEST_CASE("suspects are loaded one at a time, a trial apart, fewest resets first") {
  Guilty world;
  world.crashes_in_attach = false;
  world.plug(0, thermo_image());
  world.plug(1, board_image(0x43));
  const auto both = [&] {
    return world.loader.runs(0, world.bad.name()) && world.loader.runs(1, world.good.name());
  };
  REQUIRE(world.run_until(both));
  world.boot();  // the power failed during both trials
  const std::uint32_t from = world.clock.ms;
  REQUIRE(world.run_until([&] { return world.loader.modules().size() == 1; }));
  CHECK(world.clock.ms - from < 5'000);
  REQUIRE(world.run_until(both, 60'000));
  CHECK(world.clock.ms - from >= world.config.trial_ms);
  world.run_ms(world.config.trial_ms + 100);
  world.boot();  // both trials are over: nobody is suspected
  REQUIRE(world.run_until(both, 5'000));
}

TEST_CASE("unclean resets count only while the driver is on trial, and only in a row") {
  Guilty world;
  world.crashes_in_attach = false;
  world.plug(0, thermo_image());
  const auto runs = [&] { return world.loader.runs(0, world.bad.name()); };
  SECTION("it lived long enough each time") {
    for (int i = 0; i < 5; ++i) {
      REQUIRE(world.run_until(runs));
      world.run_ms(world.config.trial_ms + 100);
      world.boot();
    }
  }
  SECTION("the agent was stopped cleanly each time") {
    for (int i = 0; i < 5; ++i) {
      REQUIRE(world.run_until(runs));
      world.agent().stop();
      world.boot();
    }
  }
  SECTION("the board was pulled each time") {
    for (int i = 0; i < 5; ++i) {
      REQUIRE(world.run_until(runs));
      world.pull(0);
      world.boot();
      world.plug(0, thermo_image());
    }
  }
  SECTION("it was refused cleanly in between") {
    for (int i = 0; i < 5; ++i) {
      REQUIRE(world.run_until(runs));
      world.boot();
      world.loader.next_attach_error = Errc::driver_error;
      REQUIRE(world.run_until_state(0, SlotState::refused));
      world.boot();
    }
  }
  SECTION("twice, then it lived") {
    for (int i = 0; i < 4; ++i) {
      REQUIRE(world.run_until(runs));
      world.boot();
      REQUIRE(world.run_until(runs));
      world.boot();
      REQUIRE(world.run_until(runs));
      world.run_ms(world.config.trial_ms + 100);
      world.boot();
    }
  }
  CHECK(world.run_until(runs));
}

TEST_CASE("what clears a quarantine: another release, another firmware, the operator") {
  Guilty world;
  world.bring_into_quarantine();
  const BuiltPackage mended = driver_package(kThermoId, 2);
  SECTION("another release") {
    world.server.decide(kThermoId, {.package = &mended});
    REQUIRE(world.run_until([&] { return world.loader.runs(0, mended.name()); }, 70'000));
    // The old one stays where it is.
    world.server.decide(kThermoId, {.package = &world.bad});
    REQUIRE(world.run_until([&] { return world.slot(0).error == Errc::quarantined; }, 70'000));
  }
  SECTION("another firmware") {
    world.config.firmware = "a newer firmware";
    world.crashes_in_attach = false;
    world.boot();
    REQUIRE(world.run_until([&] { return world.loader.runs(0, world.bad.name()); }));
  }
  SECTION("the operator") {
    world.crashes_in_attach = false;
    world.server.edit = [](const v1::SyncRequest&, v1::SyncAnswer& answer) {
      for (auto& slot : *answer.mutable_slots()) slot.set_try_again(true);
    };
    REQUIRE(world.run_until([&] { return world.loader.runs(0, world.bad.name()); }, 70'000));
    CHECK(world.slot(0).error == Errc{});
  }
  SECTION("not a pull, not the same answer again") {
    world.crashes_in_attach = false;
    world.pull(0);
    world.plug(0, thermo_image());
    REQUIRE(world.run_until([&] { return world.is_quarantined(0); }));
    world.run_ms(130'000);
    CHECK(world.is_quarantined(0));
  }
}

TEST_CASE("offline, another local package takes the place of a quarantined one, if there is any") {
  Guilty world;
  const BuiltPackage older = driver_package(kThermoId, 2);
  SECTION("there is one") {
    world.server.decide(kThermoId, {.package = &older});
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::running));
    world.pull(0);
    world.server.decide(kThermoId, {.package = &world.bad});
    world.bring_into_quarantine();
    world.server.is_reachable = false;
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::running));
    CHECK(world.loader.runs(0, older.name()));
  }
  SECTION("there is none") {
    world.bring_into_quarantine();
    world.server.is_reachable = false;
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.slot(0).error == Errc::quarantined);
  }
}

TEST_CASE("no driver runs whose trial could not be written down") {
  Guilty world;
  world.crashes_in_attach = false;
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  world.store.cut_power_at(0);
  world.store.restore_power();
  world.store.fail_at(0);  // the journal is the first thing written
  world.loader.entered = 0;
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::io);
  CHECK(world.loader.entered == 0);
}

}  // namespace
}  // namespace mpyd::test
