// Probing and identity: boards that are blank, damaged, foreign, flaky.
#include <algorithm>

#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

TEST_CASE("a board in no known layout is reported with its first bytes and disturbs nothing") {
  struct Case {
    const char* what;
    Buffer image;
    Errc error;
    const char* detail;
  };
  Buffer damaged = thermo_image();
  damaged[20] ^= std::byte{1};
  Buffer cut = thermo_image();
  std::fill(cut.begin() + 8, cut.begin() + 12, std::byte{0});
  const auto c = GENERATE_COPY(
      Case{"blank", Buffer(64, std::byte{0xff}), Errc::blank,
           "starts with ff ff ff ff ff ff ff ff ff ff ff ff"},
      Case{"zeros", Buffer(FakeBus::kPartBytes), Errc::blank,
           "starts with 00 00 00 00 00 00 00 00 00 00 00 00"},
      Case{"foreign", concat(as_bytes("#!/bin/sh and so on"), Random(3).bytes(200)),
           Errc::bad_magic, "starts with 23 21 2f 62 69 6e 2f 73 68 20 61 6e"},
      Case{"damaged", damaged, Errc::bad_checksum,
           "starts with 52 2d 50 69 02 00 01 00 45 00 00 00"},
      Case{"cut", cut, Errc::truncated, "starts with 52 2d 50 69 02 00 01 00 00 00 00 00"});
  DYNAMIC_SECTION(c.what) {
    const BuiltPackage package = driver_package();
    World world;
    world.server.decide(kThermoId, {.package = &package});
    world.boot();
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::running));
    world.plug(1, c.image);
    REQUIRE(world.run_until_state(1, SlotState::unidentified));
    CHECK(world.slot(1).error == c.error);
    const auto* event = world.events.last(EventKind::unidentified);
    REQUIRE(event != nullptr);
    CHECK(event->error == c.error);
    CHECK(event->detail == c.detail);

    world.run_ms(70'000);
    CHECK(world.events.count(EventKind::unidentified) == 1);
    CHECK(world.slot(0).state == SlotState::running);
    CHECK(world.loader.entered == 1);
    // The server hears of it.
    const v1::SyncRequest& report = world.server.syncs.back();
    REQUIRE(report.boards_size() == 2);
    CHECK(report.boards(1).hardware_id().empty());
    CHECK(report.boards(1).error() == static_cast<std::uint32_t>(c.error));
    CHECK(world.bus.written() == 0);

    world.pull(1);
    world.plug(1, thermo_image());
    CHECK(world.run_until_state(1, SlotState::running));
  }
}

TEST_CASE("contacts that bounce while the identity is read do not matter") {
  const BuiltPackage package = driver_package();
  World world;
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  const Errc error = GENERATE(Errc::io, Errc::no_device, Errc::timeout);
  for (std::size_t at = 0; at < 12; ++at) {
    world.bus.fail_at(at, error);
    world.plug(0, thermo_image(package.bytes));
    REQUIRE(world.run_until_state(0, SlotState::running));
    REQUIRE(world.events.count(EventKind::unidentified) == 0);
    world.pull(0);
  }
}

TEST_CASE("an identity that is still being written is read when it is whole") {
  const BuiltPackage package = driver_package();
  World world;
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, {});
  world.run_ms(150);
  CHECK(world.slot(0).state == SlotState::identifying);
  world.plug(0, thermo_image());
  CHECK(world.run_until_state(0, SlotState::running));
}

TEST_CASE("a single missing acknowledge is noise, two in a row mean the board is gone") {
  const BuiltPackage package = driver_package();
  World world(1);
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  for (int i = 0; i < 20; ++i) {
    world.bus.fail_at(0, Errc::no_device);
    world.run_ms(250);
  }
  CHECK(world.slot(0).state == SlotState::running);
  CHECK(world.loader.detached == 0);

  world.bus.pull(0);
  const std::uint32_t pulled_ms = world.clock.ms;
  REQUIRE(world.run_until_state(0, SlotState::empty));
  CHECK(world.clock.ms - pulled_ms <= 3 * world.config.probe_interval_ms);
  const auto* event = world.events.last(EventKind::removed);
  REQUIRE(event != nullptr);
  CHECK(event->detail == kThermoId);
}

TEST_CASE("a board is not gone because there is no memory to ask it") {
  const BuiltPackage package = driver_package();
  World world;
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  for (int i = 0; i < 20; ++i) {
    world.bus.fail_at(0, Errc::memory);
    world.run_ms(100);
    CHECK(world.slot(0).state == SlotState::running);
  }
  CHECK(world.loader.detached == 0);
}

TEST_CASE("A26 another board in the same slot is another board") {
  const BuiltPackage thermo = driver_package();
  const BuiltPackage relay = driver_package(kRelayId, 2);
  World world;
  world.server.decide(kThermoId, {.package = &thermo});
  world.server.decide(kRelayId, {.package = &relay});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  world.plug(0, board_image(0x43));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, relay.name()));
  world.run_ms(1000);
  // The removal is not reported under the name of the board that came after.
  for (const v1::SyncRequest& sync : world.server.syncs)
    for (const v1::Event& event : sync.events())
      if (event.kind() == static_cast<std::uint32_t>(EventKind::removed))
        CHECK(event.hardware_id() != kRelayId);
}

TEST_CASE("an answer that comes after the board was swapped is not applied to the new board") {
  const BuiltPackage thermo = driver_package();
  World world;
  world.server.decide(kThermoId, {.package = &thermo});
  world.boot();
  Buffer first = thermo_image();
  Buffer next = thermo_image();
  SECTION("to another hardware ID") { next = board_image(0x43); }
  SECTION("to another revision") { next = board_image(0x42, {}, 4); }
  SECTION("to one without a package on its EEPROM") { first = thermo_image(thermo.bytes); }
  // The answer comes byte by byte; meanwhile the board goes and another one takes its place.
  world.server.spoil = [](const std::string&, HttpAnswer& answer) { answer.piece = 1; };
  world.plug(0, first);
  REQUIRE(world.run_until([&] { return world.server.count("/v1/device/sync") == 1; }));
  world.bus.pull(0);
  REQUIRE(world.run_until_state(0, SlotState::empty));
  world.plug(0, next);
  REQUIRE(world.run_until_state(0, SlotState::waiting));
  REQUIRE(world.events.count(EventKind::synced) == 0);
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::synced) == 1; }));
  CHECK(world.slot(0).chosen.is_zero());
  CHECK(world.slot(0).state == SlotState::waiting);
  CHECK(world.events.count(EventKind::chosen) == 0);
}

TEST_CASE("many slots are probed in turn and none starves") {
  const BuiltPackage package = driver_package();
  World world(16, 16'384);
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  for (unsigned i = 0; i < 16; ++i) world.plug(i, thermo_image());
  for (unsigned i = 0; i < 16; ++i) REQUIRE(world.run_until_state(i, SlotState::running));
  CHECK(world.loader.entered == 1);
  for (unsigned i = 0; i < 16; ++i) world.bus.pull(i);
  for (unsigned i = 0; i < 16; ++i) REQUIRE(world.run_until_state(i, SlotState::empty));
  CHECK(world.loader.modules().empty());
}

}  // namespace
}  // namespace mpyd::test
