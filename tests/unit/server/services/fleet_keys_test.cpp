#include "server/services/fleet_keys.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;

namespace {

std::vector<std::pair<std::uint32_t, ExchangeKey>> opened(const FleetKeys& keys) {
  std::vector<std::pair<std::uint32_t, ExchangeKey>> out;
  keys.for_each([&](std::uint32_t generation, const SecretKey& secret) {
    out.emplace_back(generation, crypto::x25519_public(secret));
  });
  return out;
}

}  // namespace

TEST_CASE("fleet keys are made one generation after the other, once each") {
  ServerWorld world;
  CHECK(world.fleet_keys.newest() == 0);
  const auto first = must(world.fleet_keys.make(1, "test"));
  CHECK_FALSE(first.existed);
  CHECK(must(world.fleet_keys.make(1, "test")).existed);
  CHECK(world.fleet_keys.make(3, "test").error().code == Errc::conflict);
  CHECK(world.fleet_keys.make(0, "test").error().code == Errc::conflict);
  must(world.fleet_keys.make(2, "test"));
  CHECK(world.fleet_keys.newest() == 2);
  CHECK(world.fleet_keys.make(1, "test").error().code == Errc::conflict);
  CHECK(world.audit_count("fleet-key") == 2);
}

TEST_CASE("as many fleet keys are held as a device keeps, newest first, after a restart too") {
  ServerWorld world;
  for (std::uint32_t g = 1; g <= kFleetKeysMax + 2; ++g) must(world.fleet_keys.make(g, "test"));
  const auto before = opened(world.fleet_keys);
  REQUIRE(before.size() == kFleetKeysMax);
  CHECK(before.front().first == kFleetKeysMax + 2);
  FleetKeys again(*world.store, world.server_keys, world.clock);
  must(again.load());
  CHECK(opened(again) == before);
  for (const FleetKeys::Key& key : again.list())
    CHECK(std::ranges::find(before, std::pair{key.generation, key.public_key}) != before.end());
}

TEST_CASE("A23 a fleet key's secret stands nowhere in the database files") {
  ServerWorld world;
  must(world.fleet_keys.make(1, "test"));
  std::string secret;
  world.fleet_keys.for_each(
      [&](std::uint32_t, const SecretKey& key) { secret = as_text(key.bytes()); });
  for (const auto& file : std::filesystem::directory_iterator(world.directory.path())) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    CHECK(content.find(secret) == std::string::npos);
  }
}

TEST_CASE("fleet keys follow the server to another key, and open with that one only") {
  ServerWorld world;
  must(world.fleet_keys.make(1, "test"));
  const auto before = opened(world.fleet_keys);
  const ExchangeKeyPair next = make_exchange_key();
  must(world.store->write(
      [&](Transaction& tx) { return FleetKeys::reseal(tx, *world.server_keys.current(), next); }));
  FleetKeys again(*world.store, world.server_keys, world.clock);
  CHECK(again.load().error().code == Errc::decryption);
  world.server_keys.replace(exchange_key_from(*next.secret));
  must(again.load());
  CHECK(opened(again) == before);
}

TEST_CASE("no fleet key is made while the server's key changes") {
  ServerWorld world;
  world.server_keys.begin_change(make_exchange_key());
  CHECK(world.fleet_keys.make(1, "test").error().code == Errc::conflict);
  world.server_keys.cancel_change();
  must(world.fleet_keys.make(1, "test"));
}

}  // namespace mpyd::server
