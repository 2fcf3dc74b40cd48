// What the server says of the device itself: revoked, waiting for approval, moved.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

struct Orders : World {
  BuiltPackage package = driver_package();

  Orders() {
    server.decide(kThermoId, {.package = &package});
    boot();
    plug(0, thermo_image());
    REQUIRE(run_until_state(0, SlotState::running));
  }
  void answer_with(sync::Status status, const std::string& message = "") {
    server.edit = [status, message](const v1::SyncRequest&, v1::SyncAnswer& answer) {
      answer.set_status(static_cast<unsigned>(status));
      answer.set_message(message);
      answer.clear_slots();
    };
  }
  bool offline_for(Errc error) {
    return run_until(
        [&] {
          const auto* last = events.last(EventKind::offline);
          return last != nullptr && last->error == error;
        },
        70'000);
  }
  void move_to(const std::string& host, unsigned port) {
    server.edit = [host, port](const v1::SyncRequest&, v1::SyncAnswer& answer) {
      answer.set_server_host(host);
      answer.set_server_port(port);
    };
  }
};

TEST_CASE("A21 a revoked device gives up what runs, what it was given, and loads nothing more") {
  Orders world;
  world.server.edit = [](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
    if (request.fleet_generation() != 0) return;
    answer.add_fleet_keys()->set_generation(1);
    answer.mutable_fleet_keys(0)->set_secret_key(text_of(make_exchange_pair(901).secret.bytes()));
  };
  REQUIRE(world.run_sync());
  REQUIRE(world.store.has("f-1"));
  world.answer_with(sync::Status::revoked, "the operator revoked this device");
  REQUIRE(world.offline_for(Errc::revoked));
  CHECK(world.slot(0).state == SlotState::refused);
  CHECK(world.slot(0).error == Errc::revoked);
  CHECK(world.events.last(EventKind::refused)->detail == "the operator revoked this device");
  CHECK(world.loader.modules().empty());
  for (const char* prefix : {"k-", "f-", "a-"}) CHECK_FALSE(world.store.has(prefix));

  SECTION("also after a reset, without the server") {
    world.server.is_reachable = false;
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.slot(0).error == Errc::revoked);
  }
  SECTION("also a board with an open package") {
    Manifest manifest = driver_manifest(kThermoId, 4);
    manifest.encryption = Encryption::none;
    const BuiltPackage open = build_package(manifest, Random(4).bytes(300), {publisher()}, 4);
    world.server.is_reachable = false;
    world.boot();
    world.pull(0);
    world.plug(0, thermo_image(open.bytes));
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.slot(0).error == Errc::revoked);
    CHECK(world.loader.modules().empty());
  }
  SECTION("until a sync accepts it again") {
    world.server.edit = nullptr;
    REQUIRE(world.run_until_state(0, SlotState::running, 70'000));
    CHECK_FALSE(world.store.has("revoked"));
    world.server.is_reachable = false;
    world.boot();
    REQUIRE(world.run_until_state(0, SlotState::running));
  }
}

TEST_CASE("A27 a power cut while a revoked device forgets gives nothing back") {
  std::size_t changes = 0;
  for (std::size_t at = 0; at == 0 || at < changes; ++at) {
    Orders world;
    world.run_ms(world.config.trial_ms + 1000);
    world.answer_with(sync::Status::revoked);
    // The block of counters may be used up on the way.
    world.store.reset_count();
    if (at > 0) world.store.cut_power_at(at - 1);
    const bool done = world.run_until(
        [&] { return world.slot(0).error == Errc::revoked || !world.store.has_power(); }, 70'000);
    REQUIRE(done);
    if (at == 0) {
      changes = world.store.changes() + 1;
      REQUIRE(changes >= 4);
      continue;
    }
    world.server.is_reachable = false;
    world.boot();
    REQUIRE(world.run_until([&] {
      return world.slot(0).state == SlotState::refused || world.slot(0).state == SlotState::running;
    }));
    if (world.store.has("revoked")) {
      CHECK(world.slot(0).error == Errc::revoked);
      CHECK_FALSE(world.store.has("k-"));
    }
  }
}

TEST_CASE("a device that waits for approval says so, also after the server was away") {
  Orders world;
  world.server.is_reachable = false;
  REQUIRE(world.offline_for(Errc::unreachable));
  world.server.is_reachable = true;
  world.answer_with(sync::Status::not_approved, "ask the operator");
  REQUIRE(world.offline_for(Errc::not_approved));
  CHECK(world.events.last(EventKind::offline)->detail == "ask the operator");
  CHECK(world.events.count(EventKind::offline) == 2);
  // What runs goes on running.
  CHECK(world.slot(0).state == SlotState::running);
  world.run_ms(100'000);
  CHECK(world.events.count(EventKind::offline) == 2);
}

TEST_CASE("a server that moved is followed from the next exchange on, and after a reset") {
  Orders world;
  CHECK(world.server.last_address == "server.example:8780");
  world.move_to("new.example", 9000);
  REQUIRE(world.run_sync());
  world.server.edit = nullptr;
  REQUIRE(world.run_sync());
  CHECK(world.server.last_address == "new.example:9000");
  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.server.last_address == "new.example:9000");

  SECTION("packages come from there, too") {
    const BuiltPackage two = driver_package(kThermoId, 2);
    world.server.decide(kThermoId, {.package = &two});
    REQUIRE(world.run_until([&] { return world.loader.runs(0, two.name()); }, 70'000));
    CHECK(world.server.last_address == "new.example:9000");
  }
  SECTION("where it cannot be reached it is looked for where it was provisioned, and back") {
    world.server.only_at = "server.example:8780";
    world.move_to("new.example", 9000);
    REQUIRE(world.run_sync(200'000));
    world.server.only_at = "new.example:9000";
    REQUIRE(world.run_sync(200'000));
  }
  SECTION("the provisioned server takes it back by saying nothing") {
    world.server.only_at = "server.example:8780";
    REQUIRE(world.run_sync(200'000));
    CHECK_FALSE(world.store.has("server"));
    world.server.only_at.clear();
    REQUIRE(world.run_sync(200'000));
    CHECK(world.server.last_address == "server.example:8780");
  }
  SECTION("a new identity forgets it") {
    world.edit_identity = [](v1::Identity& m) { m.set_server_port(8790); };
    world.boot();
    REQUIRE(world.run_sync());
    CHECK(world.server.last_address == "server.example:8790");
  }
  SECTION("only what this device wrote down counts") {
    world.store.file("server")[4] ^= std::byte{1};
    world.boot();
    REQUIRE(world.run_sync());
    CHECK(world.server.last_address == "server.example:8780");
  }
}

TEST_CASE("after expiry without a server only what was loaded before goes on") {
  Orders world;
  world.agent().stop();
  const BuiltPackage two = driver_package(kThermoId, 2);
  const auto expire_head = [&] {
    world.clock.unix_seconds = world.server.head_body.expires_unix_s();
  };
  SECTION("it runs") { expire_head(); }
  SECTION("it runs under an expired root, too") {
    world.boot();
    world.server.root_body.set_version(2);
    world.server.root_body.set_expires_unix_s(world.server.unix_s + 1000);
    world.server.publish_root(world.server.root_signers);
    REQUIRE(world.run_sync());
    world.clock.unix_seconds = world.server.unix_s + 1000;
  }
  world.server.is_reachable = false;
  world.boot();
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, world.package.name()));
  world.pull(0);
  // A newer package that trust accepts, but that never ran here.
  Manifest manifest = driver_manifest(kThermoId, 2);
  manifest.encryption = Encryption::none;
  const BuiltPackage open = build_package(manifest, Random(4).bytes(300), {publisher()}, 4);
  world.plug(0, thermo_image(open.bytes));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, world.package.name()));
  world.pull(0);
  // Unless the provisioning file says otherwise.
  world.edit_identity = [](v1::Identity& m) { m.set_after_expiry(1); };
  world.boot();
  world.plug(0, thermo_image(open.bytes));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, open.name()));
}

TEST_CASE("A09 under an expired root nothing new is accepted until a new root comes") {
  Orders world;
  world.server.root_body.set_version(2);
  world.server.root_body.set_expires_unix_s(world.server.unix_s + 1000);
  world.server.publish_root(world.server.root_signers);
  REQUIRE(world.run_sync());
  world.server.unix_s += 2000;
  world.server.publish_head();
  REQUIRE(world.offline_for(Errc::expired));
  const BuiltPackage relay = driver_package(kRelayId);
  world.server.decide(kRelayId, {.package = &relay});
  world.plug(1, board_image(0x43));
  REQUIRE(world.run_until_state(1, SlotState::refused, 40'000));
  CHECK(world.slot(0).state == SlotState::running);
  world.server.root_body.set_version(3);
  world.server.root_body.set_expires_unix_s(0);
  world.server.publish_root(world.server.root_signers);
  REQUIRE(world.run_until_state(1, SlotState::running, 70'000));
}

}  // namespace
}  // namespace mpyd::test
