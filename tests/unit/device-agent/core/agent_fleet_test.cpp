// The fleet's keys: how they come, how they are kept, and what they open.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

ExchangePair fleet_key(unsigned generation) { return make_exchange_pair(900 + generation); }

// A device that holds fleet keys, and boards whose EEPROM carries package and key block.
struct Fleet : World {
  BuiltPackage package = driver_package();

  void send_keys(std::vector<unsigned> generations) {
    server.edit = [generations](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
      if (request.fleet_generation() >= generations.front()) return;
      for (const unsigned generation : generations) {
        v1::FleetKey& key = *answer.add_fleet_keys();
        key.set_generation(generation);
        key.set_secret_key(text_of(fleet_key(generation).secret.bytes()));
      }
    };
  }
  // The device learns policy, not the package; then nobody answers it.
  void learn_and_go_offline() {
    server.decide(kThermoId, {.reason = Errc::no_driver});
    plug(0, thermo_image());
    REQUIRE(run_sync());
    pull(0);
    std::erase_if(store.files(), [](const auto& f) { return f.first.starts_with("a-"); });
    server.is_reachable = false;
    boot();
  }
  Buffer image(const Buffer& key_block) {
    return board_image(0x42, package.bytes, 3, {}, key_block);
  }
};

TEST_CASE("a board made for the fleet loads offline by a fleet key, also by an older one") {
  const unsigned sealed_to = GENERATE(3u, 2u);
  Fleet world;
  world.boot();
  world.send_keys({3, 2});
  world.learn_and_go_offline();
  world.plug(0, world.image(build_key_block(world.package, {fleet_key(sealed_to).key})));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, world.package.name()));
  // Its content key is kept: the next time no key block is needed.
  CHECK(world.store.has("k-"));
  world.pull(0);
  world.plug(0, thermo_image(world.package.bytes));
  REQUIRE(world.run_until_state(0, SlotState::running));
}

TEST_CASE("online, a package without a content key is opened by the board's key block") {
  Fleet world;
  world.boot();
  world.send_keys({1});
  REQUIRE(world.run_sync());
  const auto send = world.server.edit;
  world.server.edit = [send](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
    send(request, answer);
    for (auto& slot : *answer.mutable_slots()) slot.clear_content_key();
  };
  world.server.decide(kThermoId, {.package = &world.package});
  const Buffer block = build_key_block(world.package, {fleet_key(1).key});
  SECTION("from the EEPROM") {}
  SECTION("from the network, where policy forbids the EEPROM's") {
    world.server.entries[kThermoId].set_eeprom_packages(0);
    world.server.publish_head();
  }
  world.plug(0, world.image(block));
  REQUIRE(world.run_until_state(0, SlotState::running));
}

TEST_CASE("A30 key blocks that do not help are refused, whatever is in them") {
  Fleet world;
  world.boot();
  world.send_keys({3, 2});
  world.learn_and_go_offline();
  const std::vector<ExchangeKey> ours = {fleet_key(3).key, fleet_key(2).key};
  Buffer block = build_key_block(world.package, ours);
  SECTION("for another fleet") { block = build_key_block(world.package, {fleet_key(7).key}); }
  SECTION("none") { block.clear(); }
  SECTION("of another package") { block = build_key_block(driver_package(kThermoId, 5), ours); }
  SECTION("sealed content keys of another package under this one's name") {
    BuiltPackage mixed = world.package;
    mixed.content_key = random_fixed<ContentKey>(4);
    block = build_key_block(mixed, ours);
  }
  SECTION("damaged") {
    for (std::size_t at = 60; at < block.size(); at += kKeyEntryBytes) block[at] ^= std::byte{1};
  }
  SECTION("a small-order point") {
    for (std::size_t entry = kKeyBlockFixedBytes; entry < block.size(); entry += kKeyEntryBytes)
      for (std::size_t i = 0; i < 32; ++i) block[entry + KeyId::kSize + i] = std::byte{0};
  }
  SECTION("more entries than the bound") {
    block[kRecordHeaderBytes + 1] = std::byte{kKeyBlockEntriesMax + 1};
  }
  world.plug(0, world.image(block));
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::no_key);
  CHECK(world.loader.entered == 0);
  CHECK_FALSE(world.store.has("k-"));
}

TEST_CASE("fleet keys rotate: the newest four are kept, and what is kept is told") {
  Fleet world;
  world.boot();
  for (unsigned newest = 2; newest <= 7; ++newest) {
    world.send_keys({newest, newest - 1});
    REQUIRE(world.run_sync());
    REQUIRE(world.run_sync());
    CHECK(world.server.syncs.back().fleet_generation() == newest);
  }
  for (unsigned generation = 1; generation <= 7; ++generation)
    CHECK(world.store.has("f-" + std::to_string(generation)) == (generation > 3));
  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().fleet_generation() == 7);
}

TEST_CASE("A23 no fleet key lies in the store in clear, or in memory once it was used") {
  Fleet world;
  world.boot();
  world.send_keys({1});
  world.learn_and_go_offline();
  world.plug(0, world.image(build_key_block(world.package, {fleet_key(1).key})));
  REQUIRE(world.run_until_state(0, SlotState::running));
  const Buffer secret = copy(fleet_key(1).secret.bytes());
  CHECK_FALSE(world.holds(secret));
  CHECK_FALSE(world.holds(world.package.content_key.bytes()));
  for (const auto& [name, bytes] : world.store.files())
    CHECK(as_text(bytes).find(as_text(secret)) == std::string_view::npos);
}

}  // namespace
}  // namespace mpyd::test
