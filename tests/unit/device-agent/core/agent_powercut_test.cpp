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
    REQUIRE(world.run_sync());
    CHECK(world.server.count("/v1/device/sync") > 0);
    CHECK(world.server.last_counter > counter_before);
    CHECK(world.server.syncs.back().root_version() <= world.server.root_body.version());
  }
  CHECK(offline_loads > changes / 3);
}

// What a device must never say less of than it said before.
struct Said {
  std::uint64_t counter = 0;
  std::uint32_t root = 0;
  std::uint32_t epoch = 0;
  std::uint32_t head = 0;
  std::uint32_t fleet = 0;
  std::uint32_t floor = 0;  // of the thermo board's entry, in force
};

// A whole life: enrolled with a key of its own, a fleet key, a driver, a rotated root with a new
// epoch, a raised floor, a newer driver, a newer fleet key, an offline start, a move, and an end.
struct Life : World {
  BuiltPackage one = driver_package(kThermoId, 1);
  BuiltPackage two = driver_package(kThermoId, 2);
  std::uint32_t fleet_generation = 1;
  bool has_moved = false;
  Said most;

  Life() {
    edit_identity = [](v1::Identity& m) { m.clear_device_secret_key(); };
    server.edit = [this](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
      watch(request);
      if (request.fleet_generation() < fleet_generation) {
        answer.add_fleet_keys()->set_generation(fleet_generation);
        answer.mutable_fleet_keys(0)->set_secret_key(
            text_of(make_exchange_pair(900 + fleet_generation).secret.bytes()));
      }
      if (!has_moved) return;
      answer.set_server_host("new.example");
      answer.set_server_port(9000);
    };
    server.decide(kThermoId, {.package = &one});
  }

  void watch(const v1::SyncRequest& request) {
    // A repeated counter is refused before it comes here.
    CHECK(request.counter() > most.counter);
    CHECK(request.root_version() >= most.root);
    CHECK(request.targets_epoch() >= most.epoch);
    if (request.targets_epoch() == most.epoch) CHECK(request.head_version() >= most.head);
    // The root of this life that follows names another server key, under which fleet keys start
    // anew.
    if (request.root_version() == most.root) CHECK(request.fleet_generation() >= most.fleet);
    most = {request.counter(),      request.root_version(),     request.targets_epoch(),
            request.head_version(), request.fleet_generation(), most.floor};
  }
  bool has_power() const { return store.has_power(); }
  bool until(const std::function<bool()>& done, std::uint32_t timeout_ms = 70'000) {
    return run_until([&] { return done() || !has_power(); }, timeout_ms) && has_power();
  }
  bool syncs_once() {
    const std::size_t before = events.count(EventKind::synced);
    return until([&] { return events.count(EventKind::synced) > before; });
  }

  bool begin() {
    if (!try_boot()) return false;
    plug(0, thermo_image());
    return until([&] { return loader.runs(0, one.name()); }) && syncs_once();
  }
  bool change_everything() {
    server.key = make_exchange_pair(501);
    server.targets_signers = {make_signer(22)};
    v1::Root& root = server.root_body;
    root.set_version(2);
    root.set_server_key(text_of(server.key.key.bytes()));
    root.set_targets_epoch(4);
    set_role(*root.mutable_targets(), server.targets_signers, 1);
    server.publish_root(server.root_signers);
    server.head_body.set_version(0);
    server.entries[kThermoId].set_floor_release(2);
    server.publish_head();
    server.decide(kThermoId, {.package = &two});
    fleet_generation = 2;
    has_moved = true;
    server.unix_s += 10'000;
    if (!until([&] { return loader.runs(0, two.name()); })) return false;
    most.floor = 2;
    return until([&] { return store.has("server") && !store.has("f-3"); }) && syncs_once();
  }
  bool restart_offline() {
    server.is_reachable = false;
    if (!try_boot()) return false;
    const bool ran = until([&] { return loader.runs(0, two.name()); });
    server.is_reachable = true;
    if (!ran) return false;
    const std::uint32_t from = clock.ms;
    return until([&] { return clock.ms - from > config.trial_ms + 1000; }, 100'000);
  }
  bool tell() { return begin() && change_everything() && restart_offline() && syncs_once(); }
};

TEST_CASE("A27 A40 a full session, power lost at each of its writes: nothing ever goes back") {
  std::size_t changes = 0;
  {
    Life good;
    REQUIRE(good.tell());
    changes = good.store.changes();
    CHECK(good.most.floor == 2);
  }
  INFO(changes << " changes of the store in a full session");
  REQUIRE(changes > 25);
  std::size_t loads = 0;
  for (std::size_t at = 0; at < changes; ++at) {
    Life world;
    world.restores_power = false;
    world.store.cut_power_at(at);
    CHECK_FALSE(world.tell());
    INFO("cut at change " << at << " of " << changes);
    REQUIRE_FALSE(world.has_power());
    world.restores_power = true;

    // Without a server: old or new, whole, or nothing yet; never below a floor that was in force.
    world.server.is_reachable = false;
    world.boot();
    world.run_ms(3000);
    const bool runs_one = world.loader.runs(0, world.one.name());
    const bool runs_two = world.loader.runs(0, world.two.name());
    if (world.bus.has(0)) {
      CHECK((runs_one || runs_two || world.slot(0).state == SlotState::refused));
      if (world.most.floor == 2) CHECK_FALSE(runs_one);
    }
    loads += runs_one || runs_two;

    // With it the life goes on to its end, and watch() has seen nothing go back.
    world.server.is_reachable = true;
    if (!world.bus.has(0)) world.plug(0, thermo_image());
    if (world.server.root_body.version() == 1) REQUIRE(world.syncs_once());
    if (world.server.root_body.version() == 1) REQUIRE(world.change_everything());
    REQUIRE(world.until([&] { return world.loader.runs(0, world.two.name()); }, 200'000));
    REQUIRE(world.syncs_once());
    REQUIRE(world.syncs_once());
    CHECK(world.most.fleet == 2);
    CHECK(world.most.root == 2);
    CHECK(world.most.epoch == 4);
  }
  CHECK(loads > changes / 4);  // the first session of a life ends before anything lies here
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
