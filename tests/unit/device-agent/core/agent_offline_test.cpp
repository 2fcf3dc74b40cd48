// What is decided without a server, and what happens when it comes back.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

// Releases 1 to 3 of the driver; `learn` lets the world see one of them online.
struct Offline : World {
  BuiltPackage one = driver_package(kThermoId, 1);
  BuiltPackage two = driver_package(kThermoId, 2);
  BuiltPackage three = driver_package(kThermoId, 3);

  void learn(const BuiltPackage& package, Bytes image) {
    server.decide(kThermoId, {.package = &package});
    plug(0, image);
    REQUIRE(run_until_state(0, SlotState::running));
    pull(0);
  }
  void learn(const BuiltPackage& package) { learn(package, thermo_image()); }
  // The motherboard starts again and nobody answers it.
  void restart_offline() {
    server.is_reachable = false;
    loader.entered = 0;
    boot();
  }
  void expect_running(const BuiltPackage& package, Bytes image) {
    plug(0, image);
    REQUIRE(run_until_state(0, SlotState::running));
    CHECK(loader.runs(0, package.name()));
  }
  void expect_refused(Errc error, Bytes image) {
    plug(0, image);
    REQUIRE(run_until_state(0, SlotState::refused));
    CHECK(slot(0).error == error);
    CHECK(loader.entered == 0);
  }
};

TEST_CASE("a cached board loads without a server after a restart") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.restart_offline();
  world.expect_running(world.one, thermo_image());
  CHECK(world.events.last(EventKind::chosen)->detail == "offline: what the server chose last");
}

TEST_CASE("a stray file in the cache hides no package behind it") {
  Offline world;
  world.boot();
  world.learn(world.one);
  const std::string good =
      agent::package_file(*HardwareId::parse(kThermoId), world.one.name()).c_str();
  const std::string prefix = good.substr(0, good.size() - 64);
  // Sorted before the good one, and none of them a package.
  for (const std::string stray : {"", "not-hex"}) world.store.files()[prefix + stray] = {};
  world.store.files()[prefix + std::string(64, '0')] = {};
  world.restart_offline();
  SECTION("with the server's last answer") {}
  SECTION("without it") {
    std::erase_if(world.store.files(),
                  [](const auto& file) { return file.first.starts_with("a-"); });
  }
  world.expect_running(world.one, thermo_image());
}

TEST_CASE(
    "offline the server's last choice is honoured, even over a newer package that lies here") {
  Offline world;
  world.boot();
  world.learn(world.three);
  world.learn(world.one);
  world.restart_offline();
  world.expect_running(world.one, thermo_image());
}

TEST_CASE("the kept answer counts for the same hardware ID, revision and EEPROM package only") {
  Offline world;
  world.boot();
  world.learn(world.three);
  world.learn(world.one);
  world.restart_offline();
  SECTION("the same board") { world.expect_running(world.one, thermo_image()); }
  SECTION("another revision") { world.expect_running(world.three, board_image(0x42, {}, 4)); }
  SECTION("another package on the EEPROM") {
    world.expect_running(world.three, thermo_image(world.two.bytes));
  }
  SECTION("another hardware ID") { world.expect_refused(Errc::unreachable, board_image(0x43)); }
}

TEST_CASE("'none' is kept too") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.server.decide(kThermoId, {.reason = Errc::revoked, .message = "withdrawn"});
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.events.last(EventKind::refused)->detail == "withdrawn");
  world.pull(0);
  world.restart_offline();
  world.expect_refused(Errc::revoked, thermo_image());
  CHECK(world.events.last(EventKind::refused)->detail ==
        "the server's last word on this board was that it has no driver");
}

TEST_CASE("without a kept answer the newest package that lies here and is accepted is taken") {
  Offline world;
  world.boot();
  SECTION("of two in the cache") {
    world.learn(world.two);
    world.learn(world.one);
    world.restart_offline();
    world.expect_running(world.two, board_image(0x42, {}, 5));
    CHECK(world.events.last(EventKind::chosen)->detail == "offline: the newest that lies here");
  }
  SECTION("on the EEPROM rather than in the cache") {
    world.learn(world.one);
    world.learn(world.two, thermo_image(world.two.bytes));
    CHECK_FALSE(
        world.server.count("/v1/packages/" + std::string(format_digest(world.two.name()).view())));
    world.restart_offline();
    world.expect_running(world.two, board_image(0x42, world.two.bytes, 5));
  }
  SECTION("in the cache rather than on the EEPROM") {
    world.learn(world.one, thermo_image(world.one.bytes));
    world.learn(world.two);
    world.restart_offline();
    world.expect_running(world.two, board_image(0x42, world.one.bytes, 5));
    CHECK(world.events.last(EventKind::chosen)->detail == "offline: the newest that lies here");
  }
  SECTION("in the cache, since the newer one on the EEPROM is damaged") {
    world.learn(world.one);
    world.restart_offline();
    Buffer damaged = world.two.bytes;
    damaged[damaged.size() - 40] ^= std::byte{1};
    damaged[200] ^= std::byte{1};
    world.expect_running(world.one, board_image(0x42, damaged, 5));
    CHECK(world.events.last(EventKind::chosen)
              ->detail.starts_with(
                  "offline: the newest that lies here; not what is on the board's EEPROM: "));
  }
}

TEST_CASE("offline a board nobody ever asked about is refused: no entry vouches for it") {
  Offline world;
  world.boot();
  world.restart_offline();
  world.expect_refused(Errc::untrusted, thermo_image(world.one.bytes));
  world.pull(0);
  world.expect_refused(Errc::unreachable, thermo_image());
}

TEST_CASE("offline trust still decides: the kept answer's package is refused, another one taken") {
  Offline world;
  world.boot();
  world.learn(world.two);
  world.learn(world.one);
  // The server raised the floor since, with an answer about another revision.
  world.server.entries[kThermoId].set_floor_release(2);
  world.server.publish_head();
  world.server.decide(kThermoId, {.package = &world.two});
  world.plug(0, board_image(0x42, {}, 5));
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  // The kept answer is the one about revision 5 now; put the old one back.
  const Buffer two_answer = world.store.file("a-");
  world.restart_offline();
  SECTION("the newest acceptable one") { world.expect_running(world.two, thermo_image()); }
  SECTION("a kept answer for a package below the floor") {
    world.server.is_reachable = true;
    world.boot();
    // A server that goes on naming release 1 for revision 3.
    world.server.decide(kThermoId, {.package = &world.one});
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.slot(0).error == Errc::rollback);
    world.pull(0);
    world.restart_offline();
    world.expect_running(world.two, thermo_image());
  }
}

TEST_CASE("offline a package that the server said to avoid is avoided") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.learn(world.three);
  // The last answer names a package that never arrived, and warns of release 3.
  world.server.decide(kThermoId, {.package = &world.two, .avoid = {world.three.name()}});
  world.server.packages.erase(std::string(format_digest(world.two.name()).view()));
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  world.pull(0);
  world.restart_offline();
  world.expect_running(world.one, thermo_image());
}

TEST_CASE(
    "A33 offline a yanked package is avoided on every board, whatever its EEPROM and revision") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.learn(world.three);
  // The server's last word was about a board without a package and of revision 3.
  world.server.decide(kThermoId, {.package = &world.one, .avoid = {world.three.name()}});
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  world.restart_offline();
  SECTION("another revision") { world.expect_running(world.one, board_image(0x42, {}, 5)); }
  SECTION("a board that carries it") {
    world.expect_running(world.one, thermo_image(world.three.bytes));
  }
}

TEST_CASE("a damaged cached package is no choice: offline the next one is taken") {
  Offline world;
  world.boot();
  world.learn(world.one);
  const std::string one_name = world.store.files().lower_bound("p-")->first;
  world.learn(world.two);
  for (auto& [name, bytes] : world.store.files())
    if (name.starts_with("p-") && name != one_name) bytes[bytes.size() - 40] ^= std::byte{1};
  world.restart_offline();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, world.one.name()));
  CHECK(world.events.last(EventKind::refused)->error == Errc::bad_digest);
}

TEST_CASE("online a damaged cached package is fetched again without waiting for the next refresh") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.store.file("p-")[400] ^= std::byte{1};
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running, 2000));
  CHECK(world.server.count("/v1/packages/") == 2);
  CHECK(world.events.last(EventKind::refused)->error == Errc::bad_digest);
}

TEST_CASE("when the server is back its word decides, downward too") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.learn(world.two);
  world.restart_offline();
  world.expect_running(world.two, thermo_image());
  world.server.is_reachable = true;
  SECTION("an older release") {
    world.server.decide(kThermoId, {.package = &world.one});
    REQUIRE(world.run_until([&] { return world.loader.runs(0, world.one.name()); }, 40'000));
    CHECK(world.loader.modules().size() == 1);
    CHECK(world.loader.detached == 3);
  }
  SECTION("withdrawn, no other") {
    world.server.decide(kThermoId, {.reason = Errc::no_driver, .message = "it was withdrawn"});
    REQUIRE(world.run_until_state(0, SlotState::refused, 40'000));
    CHECK(world.loader.modules().empty());
    CHECK(world.slot(0).loaded.is_zero());
    CHECK(world.events.last(EventKind::refused)->detail == "it was withdrawn");
  }
  SECTION("withdrawn, the bytecode variant instead") {
    Manifest manifest = driver_manifest(kThermoId, 2);
    manifest.abi = parse_abi("6-any").value();
    const BuiltPackage bytecode = build_package(manifest, Random(3).bytes(200), {publisher()}, 9);
    world.server.decide(kThermoId, {.package = &bytecode});
    REQUIRE(world.run_until([&] { return world.loader.runs(0, bytecode.name()); }, 40'000));
    CHECK(world.events.last(EventKind::loaded)->detail == "thermo 1.2.0 (6-any)");
  }
  SECTION("the same") {
    const std::size_t loads = world.loader.entered;
    REQUIRE(world.run_sync(40'000));
    world.run_ms(70'000);
    CHECK(world.loader.entered == loads);
    CHECK(world.loader.runs(0, world.two.name()));
  }
}

TEST_CASE(
    "A09 offline the saved entry expires with its head, by the clock or the last sync's time") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.restart_offline();
  SECTION("the clock is not set: the last sync's time stands still") {
    world.run_ms(1'000'000);
    world.expect_running(world.one, thermo_image());
  }
  SECTION("the clock is before the expiry") {
    world.clock.unix_seconds = world.server.head_body.expires_unix_s() - 100;
    world.expect_running(world.one, thermo_image());
  }
  SECTION("the clock is past the expiry: what was loaded before goes on") {
    world.clock.unix_seconds = world.server.head_body.expires_unix_s();
    world.expect_running(world.one, thermo_image());
  }
  SECTION("the clock is past the expiry, and it was never loaded") {
    world.clock.unix_seconds = world.server.head_body.expires_unix_s();
    std::erase_if(world.store.files(), [](const auto& f) { return f.first.starts_with("l-"); });
    world.expect_refused(Errc::expired, thermo_image());
  }
}

TEST_CASE("online the time of the sync in hand judges, not a clock that is wrong") {
  Offline world;
  world.clock.unix_seconds = world.server.head_body.expires_unix_s() + 1000;
  world.boot();
  world.server.decide(kThermoId, {.package = &world.one});
  world.expect_running(world.one, thermo_image());
}

TEST_CASE("A20 after a new root with other targets keys nothing is loaded until a new head comes") {
  Offline world;
  world.boot();
  world.learn(world.one);
  // The root is walked, then the server is gone before it could prove anything under it.
  v1::Root& root = world.server.root_body;
  root.set_version(2);
  root.set_targets_epoch(4);
  set_role(*root.mutable_targets(), {make_signer(22)}, 1);
  world.server.publish_root(world.server.root_signers);
  world.server.spoil = [&](const std::string& path, HttpAnswer&) {
    if (path.starts_with("/v1/device/root/")) world.server.is_reachable = false;
  };
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused, 40'000));
  CHECK(world.slot(0).error == Errc::untrusted);
  CHECK(world.events.count(EventKind::trust_changed) == 2);
  world.pull(0);
  world.restart_offline();
  world.expect_refused(Errc::untrusted, thermo_image());
  world.pull(0);

  world.server.spoil = nullptr;
  world.server.is_reachable = true;
  world.server.targets_signers = {make_signer(22)};
  world.server.head_body.set_version(0);
  world.server.publish_head();
  world.expect_running(world.one, thermo_image());
  CHECK(world.server.count("/v1/packages/") == 1);
}

TEST_CASE("a fetch that breaks off lets the board use what lies here meanwhile") {
  Offline world;
  world.boot();
  world.learn(world.one);
  world.server.decide(kThermoId, {.package = &world.two});
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path.starts_with("/v1/packages/")) answer.break_after = 300;
  };
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, world.one.name()));
  world.server.spoil = nullptr;
  REQUIRE(world.run_until([&] { return world.loader.runs(0, world.two.name()); }, 40'000));
}

TEST_CASE("state of a newer agent is refused or ignored, never misread") {
  Offline world;
  world.boot();
  world.learn(world.one);
  SECTION("the counter") {
    world.store.files()["counter"][0] = std::byte{9};
    CHECK(world.try_boot().error() == Errc::unsupported);
  }
  SECTION("a content key") {
    world.store.file("k-")[0] = std::byte{9};
    world.restart_offline();
    world.expect_refused(Errc::no_key, thermo_image());
  }
  SECTION("garbage in every other file") {
    for (const char* prefix : {"a-", "e-", "head", "root"})
      if (world.store.has(prefix)) world.store.file(prefix) = Random(5).bytes(90);
    world.restart_offline();
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.loader.entered == 0);
    world.server.is_reachable = true;
    CHECK(world.run_until_state(0, SlotState::running, 40'000));
  }
}

}  // namespace
}  // namespace mpyd::test
