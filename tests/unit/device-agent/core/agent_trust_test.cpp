// Walking the root, and heads that count or do not.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

struct Net : World {
  BuiltPackage package = driver_package();
  Net() { server.decide(kThermoId, {.package = &package}); }
};

// Root N+1 with another server key.
void rotate_server_key(World& world, std::uint64_t seed) {
  world.server.key = make_exchange_pair(seed);
  world.server.root_body.set_version(world.server.root_body.version() + 1);
  world.server.root_body.set_server_key(text_of(world.server.key.key.bytes()));
  world.server.publish_root(world.server.root_signers);
}

TEST_CASE("A20 KEY_RETIRED makes the device walk the root, also over several, and go on") {
  const int rotations = GENERATE(1, 2, 5);
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  for (int i = 0; i < rotations; ++i) rotate_server_key(world, 500 + static_cast<std::uint64_t>(i));
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.events.count(EventKind::trust_changed) == 1 + static_cast<std::size_t>(rotations));
  CHECK(world.events.count(EventKind::offline) == 0);

  // Also after a reset, without asking again.
  const std::size_t roots = world.server.count("/v1/device/root/");
  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.server.count("/v1/device/root/") == roots);
}

TEST_CASE("KEY_RETIRED by itself changes no state, whoever says it and however often") {
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  const auto files = world.store.files();
  world.server.says_key_retired = true;
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.store.files() == files);
  CHECK(world.events.last(EventKind::offline)->error == Errc::not_found);
  world.run_ms(100'000);
  CHECK(world.server.paths.size() < 40);
  world.server.says_key_retired = false;
  CHECK(world.run_until_state(0, SlotState::running, 40'000));
}

TEST_CASE("a newer root named by an answer is walked before the answer counts") {
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  // New targets keys, a new epoch, a new head: only a device at the new root accepts it.
  world.server.targets_signers = {make_signer(22)};
  world.server.root_body.set_version(2);
  world.server.root_body.set_targets_epoch(4);
  set_role(*world.server.root_body.mutable_targets(), world.server.targets_signers, 1);
  world.server.publish_root(world.server.root_signers);
  world.server.head_body.set_version(0);
  world.server.publish_head();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.events.count(EventKind::offline) == 0);
}

TEST_CASE("A20 bad roots are refused and change nothing") {
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  const auto files = world.store.files();
  v1::Root& root = world.server.root_body;
  const Buffer first = world.server.roots.at(1);
  Errc error{};
  root.set_version(2);
  SECTION("signed by a stranger only") {
    world.server.publish_root({make_signer(9)});
    error = Errc::bad_signature;
  }
  SECTION("signed by the old key only, though the new root names another") {
    set_role(*root.mutable_root(), {make_signer(9)}, 1);
    world.server.publish_root(world.server.root_signers);
    error = Errc::bad_signature;
  }
  SECTION("signed by the new key only") {
    set_role(*root.mutable_root(), {make_signer(9)}, 1);
    world.server.publish_root({make_signer(9)});
    error = Errc::bad_signature;
  }
  SECTION("version 3 in the place of 2") {
    root.set_version(3);
    world.server.publish_root(world.server.root_signers);
    world.server.roots[2] = world.server.roots[3];
    error = Errc::rollback;
  }
  SECTION("version 1 in the place of 2") {
    world.server.roots[2] = first;
    error = Errc::rollback;
  }
  SECTION("an older epoch") {
    root.set_targets_epoch(2);
    world.server.publish_root(world.server.root_signers);
    error = Errc::rollback;
  }
  SECTION("too long") {
    world.server.roots[2] = Buffer(kDocumentBytesMax + 1);
    error = Errc::limit;
  }
  SECTION("garbage") {
    world.server.roots[2] = Random(1).bytes(300);
    error = Errc::malformed;
  }
  SECTION("nothing") {
    world.server.roots[2] = {};
    error = Errc::bad_signature;
  }
  SECTION("for a newer reader") {
    root.set_min_reader(9);
    world.server.publish_root(world.server.root_signers);
    error = Errc::unsupported;
  }
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK((world.events.last(EventKind::offline)->error == error));
  CHECK(world.store.files() == files);
  CHECK(world.loader.entered == 0);

  // The real root 2 is taken as if nothing had been.
  root = example_root(world.server.root_signers, 1, world.server.targets_signers);
  root.set_server_key(text_of(world.server.key.key.bytes()));
  root.set_version(2);
  world.server.publish_root(world.server.root_signers);
  CHECK(world.run_until_state(0, SlotState::running, 40'000));
}

TEST_CASE("A19 the root key hands over to another, signed by both") {
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  const std::vector<Signer> next = {make_signer(31), make_signer(32)};
  set_role(*world.server.root_body.mutable_root(), next, 2);
  world.server.root_body.set_version(2);
  std::vector<Signer> both = world.server.root_signers;
  both.insert(both.end(), next.begin(), next.end());
  world.server.publish_root(both);
  world.server.root_body.set_version(3);
  world.server.publish_root(next);
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.events.count(EventKind::offline) == 0);
}

TEST_CASE("A20 a walk over more roots than its bound goes on in the next sync") {
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  for (std::uint32_t version = 2; version <= kRootWalkMax + 5; ++version) {
    world.server.root_body.set_version(version);
    world.server.publish_root(world.server.root_signers);
  }
  REQUIRE(world.run_until(
      [&] { return world.server.count("/v1/device/root/") >= kRootWalkMax + 4; }, 200'000));
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().root_version() == kRootWalkMax + 5);
}

TEST_CASE("a head that does not count leaves trust, store and boards as they were") {
  Net world;
  world.server.publish_head();
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.run_ms(world.config.trial_ms + 1000);
  const auto files = world.store.files();
  Errc error{};
  v1::TargetsHead& head = world.server.head_body;
  std::string why;
  SECTION("A06 an older version") {
    head.set_version(head.version() - 2);
    world.server.publish_head();
    error = Errc::rollback;
  }
  SECTION("A08 the same version with other content") {
    head.set_version(head.version() - 1);
    head.set_expires_unix_s(head.expires_unix_s() + 1);
    world.server.publish_head();
    error = Errc::equivocation;
  }
  SECTION("A01 signed by a stranger") {
    world.server.targets_signers = {make_signer(9)};
    world.server.publish_head();
    error = Errc::bad_signature;
  }
  SECTION("A05 signed by the publisher") {
    world.server.targets_signers = {publisher()};
    world.server.publish_head();
    error = Errc::bad_signature;
  }
  SECTION("A05 signed as another kind of document") {
    head.set_version(head.version() + 1);
    world.server.head = signed_document(head, trust::kRootPrefix, world.server.targets_signers);
    error = Errc::bad_signature;
  }
  SECTION("A09 expired") {
    head.set_expires_unix_s(world.server.unix_s);
    world.server.publish_head();
    error = Errc::expired;
  }
  SECTION("A11 another epoch") {
    head.set_version(head.version() + 1);
    head.set_epoch(head.epoch() + 1);
    world.server.head = signed_document(head, trust::kTargetsPrefix, world.server.targets_signers);
    error = Errc::rollback;
  }
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    answer.set_head(text_of(world.server.head));
  };
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::offline) > 0; }, 70'000));
  CHECK(world.events.last(EventKind::offline)->error == error);
  CHECK(world.store.files() == files);
  CHECK(world.slot(0).state == SlotState::running);
  CHECK(world.loader.entered == 1);
}

TEST_CASE("A11 after a fast-forwarded head, root's next epoch starts versions anew") {
  Net world;
  world.server.head_body.set_version(0xfffffffe);
  world.server.publish_head();
  world.boot();
  REQUIRE(world.run_sync());
  world.server.targets_signers = {make_signer(22)};
  v1::Root& root = world.server.root_body;
  root.set_version(2);
  root.set_targets_epoch(4);
  set_role(*root.mutable_targets(), world.server.targets_signers, 1);
  world.server.publish_root(world.server.root_signers);
  world.server.head_body.set_version(0);
  world.server.publish_head();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.boot();
  world.server.is_reachable = false;
  CHECK(world.run_until_state(0, SlotState::running));
}

TEST_CASE("A06 a head stays in force when a new root keeps the targets keys that signed it") {
  Net world;
  world.server.publish_head();
  const Buffer old_head = world.server.head;
  world.server.publish_head();
  world.boot();
  REQUIRE(world.run_sync());
  // Root 2 adds a targets key; the epoch stays.
  v1::Root& root = world.server.root_body;
  root.set_version(2);
  set_role(*root.mutable_targets(), {world.server.targets_signers[0], make_signer(23)}, 1);
  world.server.publish_root(world.server.root_signers);
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    answer.set_head(text_of(old_head));
  };
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.events.last(EventKind::offline)->error == Errc::rollback);
}

}  // namespace
}  // namespace mpyd::test
