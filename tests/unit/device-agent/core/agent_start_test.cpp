// How a motherboard's life begins, and begins again.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

struct Fresh : World {
  BuiltPackage package = driver_package();

  Fresh() { server.decide(kThermoId, {.package = &package}); }
  // The file that every motherboard of the fleet gets.
  void use_fleet_file() {
    edit_identity = [](v1::Identity& m) { m.clear_device_secret_key(); };
  }
  void bake_policy(const std::vector<std::string>& hardware_ids) {
    edit_identity = [this, hardware_ids](v1::Identity& m) {
      m.set_head(text_of(baked_head));
      for (const auto& id : hardware_ids) *m.add_entries() = baked_proofs.at(id);
    };
    baked_head = server.head;
    for (const auto& id : hardware_ids) baked_proofs[id] = server.proof_of(id);
  }
  // Sends the key of a package by nothing but the cache of a run before.
  void factory_reset() {
    std::erase_if(store.files(), [](const auto& f) {
      return !f.first.starts_with("p-") && !f.first.starts_with("k-") && f.first != "device";
    });
  }

  Buffer baked_head;
  std::map<std::string, v1::EntryProof> baked_proofs;
};

TEST_CASE("a device without a key makes its own once and keeps it") {
  Fresh world;
  world.use_fleet_file();
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.server.syncs.front().enroll_token() == "token-for-once");
  const Buffer kept = world.store.file("device");
  const Buffer key(world.server.last_request.begin() + 2, world.server.last_request.begin() + 34);
  CHECK(key != copy(make_exchange_pair(60).key.bytes()));
  world.agent().stop();
  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.store.file("device") == kept);
  CHECK(Buffer(world.server.last_request.begin() + 2, world.server.last_request.begin() + 34) ==
        key);
}

TEST_CASE("without good entropy no key is made and nothing is stored") {
  Fresh world;
  world.use_fleet_file();
  world.entropy.is_good = false;
  CHECK(world.try_boot().error() == Errc::io);
  CHECK(world.agent().start_problem().find("random numbers") != std::string_view::npos);
  CHECK(world.store.files().empty());
  world.entropy.is_good = true;
  world.boot();
  CHECK(world.store.has("device"));
}

TEST_CASE("A27 the device's own key is there whole or not at all") {
  Fresh world;
  world.use_fleet_file();
  world.store.fail_at(0);
  CHECK(world.try_boot().error() == Errc::io);
  CHECK(world.store.files().empty());
  world.boot();
  const Buffer kept = world.store.file("device");
  SECTION("a damaged one is not replaced behind the operator's back") {
    world.store.file("device").resize(9);
    CHECK(world.try_boot().error() == Errc::malformed);
    CHECK(world.store.file("device").size() == 9);
    CHECK(world.agent().start_problem().find("factory reset") != std::string_view::npos);
  }
  SECTION("a newer one is refused") {
    world.store.file("device")[1] = std::byte{9};
    CHECK(world.try_boot().error() == Errc::unsupported);
  }
  SECTION("unreadable for want of memory is not absent") {
    world.store.read_error = Errc::memory;
    CHECK(world.try_boot().error() == Errc::memory);
    world.store.read_error = {};
    CHECK(world.store.file("device") == kept);
  }
}

TEST_CASE("A40 after a factory reset nothing is loaded before a sync brought targets") {
  Fresh world;
  world.boot();
  world.plug(0, thermo_image(world.package.bytes));
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.agent().stop();
  world.factory_reset();
  world.server.is_reachable = false;
  world.loader.entered = 0;
  world.boot();
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::untrusted);
  CHECK(world.loader.entered == 0);
  // A card that somebody put back brings no policy either: it is not under a seal in force.
  world.server.is_reachable = true;
  CHECK(world.run_until_state(0, SlotState::running, 40'000));
}

TEST_CASE("policy that was baked in at provisioning allows it") {
  Fresh world;
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.agent().stop();
  world.factory_reset();
  world.server.is_reachable = false;
  SECTION("for the hardware IDs it names") {
    world.bake_policy({kThermoId, kRelayId});
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::running));
  }
  SECTION("not for others") {
    world.bake_policy({kRelayId});
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.slot(0).error == Errc::untrusted);
  }
  SECTION("not where its head is a stranger's") {
    world.server.targets_signers = {make_signer(9)};
    world.server.publish_head();
    world.bake_policy({kThermoId});
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.slot(0).error == Errc::untrusted);
  }
  SECTION("not where its proof does not fit its head") {
    world.bake_policy({kThermoId});
    world.baked_proofs[kThermoId].set_entry(text_of(serialise(example_entry({make_signer(9)}))));
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.slot(0).error == Errc::untrusted);
  }
}

TEST_CASE("A06 policy that was baked in never replaces newer kept state") {
  Fresh world;
  world.bake_policy({kThermoId});
  world.boot();
  REQUIRE(world.run_sync());
  world.server.entries[kThermoId].set_floor_release(50);
  world.server.publish_head();
  world.plug(0, thermo_image(world.package.bytes));
  REQUIRE(world.run_until_state(0, SlotState::refused, 70'000));
  const auto files = world.store.files();
  world.server.is_reachable = false;
  world.boot();
  world.run_ms(5000);
  CHECK(world.store.files().at("head") == files.at("head"));
  CHECK(world.slot(0).error == Errc::rollback);
}

}  // namespace
}  // namespace mpyd::test
