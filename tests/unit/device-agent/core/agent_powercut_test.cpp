// Power lost, or storage failing, at every operation that changes the store.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

// A run that touches every kind of state: the first head, a root walk, a newer head, two packages.
struct Story : World {
  BuiltPackage one = driver_package(kThermoId, 1);
  BuiltPackage two = driver_package(kThermoId, 2);

  Story() {
    server.decide(kThermoId, {.package = &one});
    boot();
  }
  // True if all of it happened.
  bool tell() {
    plug(0, thermo_image());
    if (!run_until([&] { return loader.runs(0, one.name()) || !store.has_power(); }, 5000))
      return false;
    if (!store.has_power()) return false;
    server.key = make_exchange_pair(501);
    server.root_body.set_version(2);
    server.root_body.set_server_key(text_of(server.key.key.bytes()));
    server.publish_root(server.root_signers);
    server.publish_head();
    server.decide(kThermoId, {.package = &two});
    server.unix_s += 10'000;
    return run_until([&] { return loader.runs(0, two.name()) || !store.has_power(); }, 70'000) &&
           store.has_power();
  }
};

// Nothing half done is visible, whatever happened.
void check_store(World& world, const Story& story) {
  for (const auto& [name, bytes] : world.store.files()) {
    if (name.starts_with("p-")) CHECK((bytes == story.one.bytes || bytes == story.two.bytes));
    if (name.starts_with("k-")) CHECK(bytes.size() == 73);
    CHECK_FALSE(bytes.empty());
  }
}

TEST_CASE("A27 power lost at any change of the store leaves old or new, never neither") {
  std::size_t changes = 0;
  {
    Story good;
    REQUIRE(good.tell());
    changes = good.store.changes();
  }
  REQUIRE(changes > 12);
  std::size_t offline_loads = 0;
  for (std::size_t at = 0; at < changes; ++at) {
    Story world;
    world.store.cut_power_at(at);
    CHECK_FALSE(world.tell());
    REQUIRE_FALSE(world.store.has_power());
    const std::uint64_t counter_before = world.server.last_counter;

    // Without a server: it starts, and what runs is one of the two packages, whole.
    world.server.is_reachable = false;
    world.boot();
    check_store(world, world);
    world.run_ms(3000);
    if (world.slot(0).state == SlotState::running) {
      ++offline_loads;
      REQUIRE((world.loader.runs(0, world.one.name()) || world.loader.runs(0, world.two.name())));
    } else {
      REQUIRE(world.slot(0).state == SlotState::refused);
    }
    // With one: everything goes on, and no counter repeats.
    world.server.is_reachable = true;
    const BuiltPackage& last = world.server.root_body.version() == 2 ? world.two : world.one;
    if (!world.run_until([&] { return world.loader.runs(0, last.name()); }, 70'000))
      FAIL("no driver after a power cut at change " << at);
    CHECK(world.server.count("/v1/device/sync") > 0);
    CHECK(world.server.last_counter > counter_before);
    CHECK(world.server.syncs.back().root_version() <= world.server.root_body.version());
  }
  CHECK(offline_loads > changes / 3);
}

TEST_CASE("A40 neither root nor head goes back over a power cut") {
  Story world;
  REQUIRE(world.tell());
  world.run_sync();
  const std::uint32_t head = world.server.head_body.version();
  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().root_version() == 2);
  CHECK(world.server.syncs.back().head_version() == head);
}

TEST_CASE("a store that fails once anywhere costs at most a retry") {
  std::size_t changes = 0;
  {
    Story good;
    REQUIRE(good.tell());
    changes = good.store.changes();
  }
  for (std::size_t at = 0; at < changes; ++at) {
    Story world;
    world.store.fail_at(at);
    world.plug(0, thermo_image());
    if (!world.run_until([&] { return world.loader.runs(0, world.one.name()); }, 130'000))
      FAIL("no driver after the store failed at change " << at);
    check_store(world, world);
    REQUIRE_FALSE(world.store.is_begun());
  }
}

TEST_CASE("a store that takes nothing any more is reported and does not stop what runs") {
  Story world;
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.store.cut_power_at(0);
  const BuiltPackage relay = driver_package(kRelayId, 2);
  world.server.decide(kRelayId, {.package = &relay});
  world.plug(1, board_image(0x43));
  REQUIRE(world.run_until_state(1, SlotState::refused, 40'000));
  CHECK(world.slot(1).error == Errc::io);
  CHECK(world.loader.runs(0, world.one.name()));
}

}  // namespace
}  // namespace mpyd::test
