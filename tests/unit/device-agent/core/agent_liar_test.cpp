// Whoever holds the server's key may lie to devices. What he told them ends with his key.
#include "device-agent/core/cache.hpp"
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

constexpr std::uint64_t kCountersOfServersEnd = std::uint64_t{1} << 63;

// A device in service, and root that names another server key.
struct Lied : World {
  Lied() {
    server.decide(kThermoId, {.package = &package});
    boot();
    plug(0, thermo_image());
    REQUIRE(run_until_state(0, SlotState::running));
  }
  void replace_server_key() {
    server.edit = nullptr;
    server.key = make_exchange_pair(77);
    server.root_body.set_version(server.root_body.version() + 1);
    server.root_body.set_server_key(text_of(server.key.key.bytes()));
    server.publish_root(server.root_signers);
  }
  BuiltPackage package = driver_package();
};

v1::FleetKey fleet_key(std::uint32_t generation, std::uint64_t seed) {
  v1::FleetKey key;
  key.set_generation(generation);
  key.set_secret_key(text_of(make_exchange_pair(seed).secret.bytes()));
  return key;
}

}  // namespace

TEST_CASE("A11 a counter told by a stolen server key leaves room for an honest server's") {
  Lied world;
  const std::uint64_t claimed =
      GENERATE(~std::uint64_t{0} - 129, kCountersOfServersEnd, std::uint64_t{1} << 62);
  bool is_told = false;
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    if (std::exchange(is_told, true)) return;
    answer.set_status(static_cast<std::uint32_t>(sync::Status::counter));
    answer.set_last_counter(claimed);
    answer.clear_slots();
  };
  world.run_ms(5000);
  REQUIRE(is_told);
  world.replace_server_key();
  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().counter() < kCountersOfServersEnd);
}

TEST_CASE(
    "A11 fleet keys told by a stolen server key end with it, whatever generation they claim") {
  Lied world;
  world.server.edit = [&](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
    if (request.fleet_generation() == 0) *answer.add_fleet_keys() = fleet_key(400'000'000, 901);
  };
  REQUIRE(world.run_sync());
  REQUIRE(world.store.has("f-400000000"));
  world.replace_server_key();
  SECTION("at once") {}
  SECTION("after a reset in between") { world.boot(); }
  world.server.edit = [&](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
    CHECK(request.fleet_generation() != 400'000'000);
    if (request.fleet_generation() == 3) return;
    *answer.add_fleet_keys() = fleet_key(3, 902);
    *answer.add_fleet_keys() = fleet_key(2, 903);
  };
  REQUIRE(world.run_sync());
  REQUIRE(world.run_sync());
  CHECK(world.store.has("f-3"));
  CHECK(world.store.has("f-2"));
  CHECK_FALSE(world.store.has("f-400000000"));
  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().fleet_generation() == 3);
}

TEST_CASE("A09 a time that a server told by mistake is not the last word") {
  Lied world;
  const std::uint64_t honest = world.server.unix_s;
  world.server.unix_s = 4'000'000'000'000;
  REQUIRE(world.run_sync());
  CHECK(agent::load_number(world.store, "time").value() == 4'000'000'000'000);
  world.server.unix_s = honest;
  world.run_ms(70'000);
  CHECK(agent::load_number(world.store, "time").value() <= honest + 3600);
}

TEST_CASE("a device that is not served says so, not that nobody answered") {
  World world;
  world.server.edit = [](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    answer.set_status(static_cast<std::uint32_t>(sync::Status::not_approved));
    answer.clear_slots();
  };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::not_approved);
}

}  // namespace mpyd::test
