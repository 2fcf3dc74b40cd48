// Pass 1 and pass 2: what is refused, with which reason, and what the loader saw of it.
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

// The board was refused for this reason, in words, and nothing of a driver arrived anywhere.
void check_refused(World& world, Errc error, unsigned slot = 0) {
  CHECK(world.slot(slot).state == SlotState::refused);
  CHECK(world.slot(slot).error == error);
  CHECK(world.slot(slot).loaded.is_zero());
  CHECK(world.loader.entered == 0);
  CHECK(world.loader.plain_bytes == 0);
  const auto* event = world.events.last(EventKind::refused);
  REQUIRE(event != nullptr);
  CHECK(event->error == error);
  CHECK(event->detail.size() > 10);
}

struct Refusal {
  const char* name;
  Errc error;
  std::function<void(World&, Manifest&)> arrange;
  const char* sentence = nullptr;
};

v1::PolicyEntry& entry(World& world) { return world.server.entries[kThermoId]; }
std::string key_of(const Signer& signer) { return text_of(signer.key.bytes()); }

const std::vector<Refusal>& refusals() {
  // A case is a row.
  // clang-format off
  static const std::vector<Refusal> table = {
      {"A16 native code of another architecture", Errc::wrong_abi,
       [](World&, Manifest& m) { m.abi.arch = Arch::armv7em; },
       "the file is native code for armv7em, this motherboard is armv7m"},
      {"A16 another mpy version", Errc::wrong_abi,
       [](World&, Manifest& m) { m.abi.mpy_version = 5; }},
      {"A16 another sub-version", Errc::wrong_abi,
       [](World&, Manifest& m) { m.abi.sub_version = 2; }},
      {"A16 small integers that are too wide", Errc::wrong_abi,
       [](World&, Manifest& m) { m.abi.small_int_bits = 63; }},
      {"A16 another float ABI", Errc::wrong_abi,
       [](World& w, Manifest& m) {
         w.config.abi.float_abi = FloatAbi::soft;
         m.abi.float_abi = FloatAbi::hard;
       }},
      {"A16 another hardware ID", Errc::wrong_hardware,
       [](World&, Manifest& m) { m.hardware_id = HardwareId::parse(kRelayId).value(); }},
      {"A16 a revision above its range", Errc::wrong_hardware,
       [](World&, Manifest& m) { m.revision_max = 2; }},
      {"A16 a revision below its range", Errc::wrong_hardware,
       [](World&, Manifest& m) { m.revision_min = 4; }},
      {"A15 another driver's name", Errc::untrusted,
       [](World&, Manifest& m) { m.driver_name = parse_driver_name("relay").value(); }},
      {"A17 a module that the firmware lacks", Errc::missing_module,
       [](World&, Manifest& m) {
         m.required_modules.push_back(ModuleName::make("machine").value());
         m.required_modules.push_back(ModuleName::make("bluetooth").value());
       }, "the driver requires the module bluetooth, which this firmware lacks"},
      {"A06 a release below the floor", Errc::rollback,
       [](World& w, Manifest& m) {
         m.release = 6;
         entry(w).set_floor_release(7);
       }},
      {"A21 a publisher of another hardware ID", Errc::untrusted,
       [](World& w, Manifest&) {
         entry(w).set_publisher_keys(0, key_of(make_signer(8)));
         w.server.entries[kRelayId].set_publisher_keys(0, key_of(publisher()));
       }},
      {"A21 a revoked publisher key", Errc::revoked,
       [](World& w, Manifest&) { w.server.head_body.add_revoked_keys(key_of(publisher())); }},
      {"A03 one signature where the policy wants two", Errc::threshold,
       [](World& w, Manifest&) {
         entry(w).add_publisher_keys(key_of(make_signer(8)));
         entry(w).set_threshold(2);
       }},
      {"A33 a digest that nobody approved", Errc::policy,
       [](World& w, Manifest&) {
         entry(w).set_mode(1);
         entry(w).add_approved_digests(std::string(32, 'a'));
       }},
      {"a digest other than the pinned one", Errc::policy,
       [](World& w, Manifest&) { entry(w).add_pinned_digests(std::string(32, 'a')); }},
      {"A07 a hardware ID without a policy entry", Errc::untrusted,
       [](World& w, Manifest&) { w.server.entries.erase(kThermoId); }},
      {"A09 a head that has expired", Errc::expired,
       [](World& w, Manifest&) { w.server.head_body.set_expires_unix_s(w.server.unix_s); }},
  };
  // clang-format on
  return table;
}

TEST_CASE("what trust, ABI or hardware do not allow is refused before the loader is entered") {
  for (const Refusal& refusal : refusals()) {
    DYNAMIC_SECTION(refusal.name) {
      World world;
      Manifest manifest = driver_manifest(kThermoId);
      refusal.arrange(world, manifest);
      const BuiltPackage package = build_package(manifest, Random(1).bytes(300), {publisher()});
      world.server.publish_head();
      world.server.decide(kThermoId, {.package = &package});
      world.boot();
      world.plug(0, thermo_image());
      REQUIRE(world.run_until_state(0, SlotState::refused));
      if (refusal.error == Errc::expired) {
        // The whole answer is void: its head does not count.
        CHECK(world.events.last(EventKind::offline)->error == Errc::expired);
        CHECK(world.loader.entered == 0);
        continue;
      }
      check_refused(world, refusal.error);
      if (refusal.sentence != nullptr)
        CHECK(world.events.last(EventKind::refused)->detail == refusal.sentence);
      CHECK_FALSE(world.store.has("p-"));
      world.run_ms(300'000);
      CHECK(world.loader.entered == 0);
    }
  }
}

TEST_CASE("a driver that needs more memory than there is does not enter the loader") {
  World world;
  Manifest manifest = driver_manifest(kThermoId);
  manifest.ram_bytes = 6400;
  const BuiltPackage package = build_package(manifest, Random(1).bytes(300), {publisher()});
  world.server.decide(kThermoId, {.package = &package});
  world.loader.free = {.free = 6399, .largest_block = 600};
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  check_refused(world, Errc::memory);
  CHECK(world.events.last(EventKind::refused)->detail ==
        "the driver needs at least 6.2 KiB, the largest free block is 0.5 KiB: "
        "free memory, then plug the board in again");
  // Once there is enough, the next refresh brings it.
  world.loader.free.free = 6400;
  CHECK(world.run_until_state(0, SlotState::running, 70'000));
}

TEST_CASE("a lack of memory is taken for nothing else, and costs no package") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  // From here the agent can read nothing of what it kept.
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::verifying));
  world.store.read_error = Errc::memory;
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::memory);
  world.store.read_error = {};
  CHECK(world.store.has("p-"));
  CHECK(world.run_until_state(0, SlotState::running, 70'000));
}

TEST_CASE("a digest that the entry revokes is refused (A21)") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.entries[kThermoId].add_revoked_digests(text_of(package.name().bytes()));
  world.server.publish_head();
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  check_refused(world, Errc::revoked);
}

TEST_CASE("A31 a content key that does not fit the commitment, or none, is refused") {
  World world;
  const BuiltPackage package = driver_package();
  const bool has_key = GENERATE(true, false);
  world.server.decide(kThermoId, {.package = &package});
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    for (v1::SlotAnswer& slot : *answer.mutable_slots())
      slot.set_content_key(has_key ? text_of(random_fixed<ContentKey>(9).bytes()) : "");
  };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  check_refused(world, Errc::no_key);

  world.server.edit = nullptr;
  CHECK(world.run_until_state(0, SlotState::running, 70'000));
}

TEST_CASE("A07 A15 a policy entry without a good proof under the head is refused") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.decide(kThermoId, {.package = &package});
  std::function<void(v1::SlotAnswer&)> spoil;
  SECTION("another index") {
    spoil = [](v1::SlotAnswer& slot) { slot.mutable_entry()->set_index(1); };
  }
  SECTION("a path that leads elsewhere") {
    spoil = [](v1::SlotAnswer& slot) { slot.mutable_entry()->set_path(0, std::string(32, 'x')); };
  }
  SECTION("no path") {
    spoil = [](v1::SlotAnswer& slot) { slot.mutable_entry()->clear_path(); };
  }
  SECTION("an entry that names a stranger's key") {
    spoil = [](v1::SlotAnswer& slot) {
      slot.mutable_entry()->set_entry(text_of(serialise(example_entry({make_signer(9)}))));
    };
  }
  SECTION("the entry of another board, well proved") {
    spoil = [&](v1::SlotAnswer& slot) { *slot.mutable_entry() = world.server.proof_of(kRelayId); };
  }
  SECTION("no entry at all") {
    spoil = [](v1::SlotAnswer& slot) { slot.clear_entry(); };
  }
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    for (v1::SlotAnswer& slot : *answer.mutable_slots()) spoil(slot);
  };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  check_refused(world, Errc::untrusted);
  CHECK(world.server.count("/v1/packages/") == 0);
  // The server hears why.
  world.run_ms(1000);
  REQUIRE(world.server.syncs.size() >= 2);
  REQUIRE(world.server.syncs.back().events_size() == 1);
  CHECK(world.server.syncs.back().events(0).error() == static_cast<std::uint32_t>(Errc::untrusted));

  world.server.edit = nullptr;
  CHECK(world.run_until_state(0, SlotState::running, 70'000));
}

TEST_CASE("online an entry counts only with a proof under the newest head") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);

  world.server.publish_head();
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    for (v1::SlotAnswer& slot : *answer.mutable_slots()) slot.clear_entry();
  };
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::untrusted);
  CHECK(world.loader.entered == 1);
}

TEST_CASE("A16 the server names another package than the one it serves") {
  World world;
  const BuiltPackage right = driver_package(kThermoId, 1);
  const BuiltPackage other = driver_package(kThermoId, 2);
  world.server.decide(kThermoId, {.package = &right});
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path.starts_with("/v1/packages/")) answer.body = other.bytes;
  };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  // Its key fits the commitment of the right package only.
  check_refused(world, Errc::no_key);
  CHECK_FALSE(world.store.has("p-"));

  SECTION("nor does it help to send its key") {
    world.pull(0);
    world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
      for (v1::SlotAnswer& slot : *answer.mutable_slots())
        slot.set_content_key(text_of(other.content_key.bytes()));
    };
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::refused));
    check_refused(world, Errc::bad_digest);
    CHECK(world.events.last(EventKind::refused)->detail ==
          "the package is not the one that was chosen");
    CHECK_FALSE(world.store.has("p-"));
  }
}

TEST_CASE("A29 bytes after the end of a package are refused") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.decide(kThermoId, {.package = &package});
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    for (v1::SlotAnswer& slot : *answer.mutable_slots())
      slot.set_package_bytes(slot.package_bytes() + 1);
  };
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path.starts_with("/v1/packages/")) answer.body.push_back(std::byte{0});
  };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  check_refused(world, Errc::trailing);
}

TEST_CASE("A01 a stranger's package on an EEPROM runs nowhere, even if the server names it") {
  World world;
  const BuiltPackage stranger =
      build_package(driver_manifest(kThermoId), Random(5).bytes(300), {make_signer(666)}, 666);
  SECTION("offline") { world.server.is_reachable = false; }
  SECTION("online, the server names nothing") {}
  SECTION("online, a compromised server names it and gives its key") {
    world.server.decide(kThermoId, {.package = &stranger});
  }
  world.boot();
  world.plug(0, thermo_image(stranger.bytes));
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == (world.server.decisions.empty() && world.server.is_reachable
                                    ? Errc::no_driver
                                    : Errc::untrusted));
  CHECK(world.loader.entered == 0);
  world.run_ms(200'000);
  CHECK(world.loader.entered == 0);
  CHECK(world.slot(0).state == SlotState::refused);
}

TEST_CASE("a package on the EEPROM is loaded from there when the server names it") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image(package.bytes));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.server.count("/v1/packages/") == 0);
  CHECK(world.loader.modules().at(0).plain == package.plain);
  CHECK(world.server.syncs.back().boards(0).eeprom_digest() == text_of(package.name().bytes()));
}

TEST_CASE("where the entry forbids EEPROM packages the same package comes from the network") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.entries[kThermoId].set_eeprom_packages(0);
  world.server.publish_head();
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image(package.bytes));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.server.count("/v1/packages/") == 1);
}

TEST_CASE("a loader that refuses, or a driver that raises, is reported and costs nothing") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  Errc error{};
  SECTION("no memory") { world.loader.next_load_error = error = Errc::memory; }
  SECTION("the loader refuses") { world.loader.next_load_error = error = Errc::load_error; }
  SECTION("the module's body raises") { world.loader.next_load_error = error = Errc::driver_error; }
  SECTION("attach raises") { world.loader.next_attach_error = error = Errc::driver_error; }
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == error);
  CHECK(world.loader.modules().empty());
  CHECK(world.loader.attached == 0);

  world.pull(0);
  CHECK(world.loader.detached == 0);
  world.plug(0, thermo_image());
  CHECK(world.run_until_state(0, SlotState::running));
}

TEST_CASE("an attach that raises on one board leaves the module to the other") {
  World world;
  const BuiltPackage package = driver_package();
  world.server.decide(kThermoId, {.package = &package});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.loader.next_attach_error = Errc::driver_error;
  world.plug(1, thermo_image());
  REQUIRE(world.run_until_state(1, SlotState::refused));
  CHECK(world.loader.runs(0, package.name()));
  CHECK(world.loader.unloaded == 0);
}

TEST_CASE("a newer release named by the server replaces the running one, also an older one") {
  World world;
  const BuiltPackage one = driver_package(kThermoId, 1);
  const BuiltPackage two = driver_package(kThermoId, 2);
  world.server.decide(kThermoId, {.package = &one});
  world.boot();
  world.plug(0, thermo_image());
  world.plug(1, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  REQUIRE(world.run_until_state(1, SlotState::running));
  for (const BuiltPackage* next : {&two, &one}) {
    world.server.decide(kThermoId, {.package = next});
    REQUIRE(world.run_until([&] { return world.loader.runs(0, next->name()); }, 70'000));
    REQUIRE(world.run_until([&] { return world.loader.runs(1, next->name()); }));
    CHECK(world.loader.modules().size() == 1);
    CHECK(world.slot(0).state == SlotState::running);
  }
  CHECK(world.loader.entered == 3);
}

TEST_CASE("a driver runs on while its successor cannot be had, and is not asked for in a frenzy") {
  World world;
  const BuiltPackage one = driver_package(kThermoId, 1);
  Manifest manifest = driver_manifest(kThermoId, 2);
  manifest.abi.sub_version = 2;
  const BuiltPackage two = build_package(manifest, Random(2).bytes(300), {publisher()});
  world.server.decide(kThermoId, {.package = &one});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.server.decide(kThermoId, {.package = &two});
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::refused) > 0; }, 70'000));
  CHECK(world.slot(0).state == SlotState::running);
  CHECK(world.slot(0).error == Errc::wrong_abi);
  CHECK(world.loader.runs(0, one.name()));
  world.run_ms(300'000);
  CHECK(world.events.count(EventKind::refused) == 1);
  CHECK(world.loader.runs(0, one.name()));
}

TEST_CASE("a successor that the server takes back is forgotten, the running driver stays") {
  World world;
  const BuiltPackage one = driver_package(kThermoId, 1);
  const BuiltPackage two = driver_package(kThermoId, 2);
  world.server.decide(kThermoId, {.package = &one});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.server.decide(kThermoId, {.package = &two});
  world.server.packages.clear();
  REQUIRE(world.run_until([&] { return world.slot(0).error == Errc::not_found; }, 70'000));
  world.server.decide(kThermoId, {.package = &one});
  REQUIRE(world.run_until([&] { return world.slot(0).error == Errc{}; }, 70'000));
  CHECK(world.slot(0).state == SlotState::running);
  CHECK(world.loader.runs(0, one.name()));
  CHECK(world.loader.entered == 1);
  CHECK(world.loader.detached == 0);
}

TEST_CASE("A06 the server's word never goes below the signed floor") {
  World world;
  const BuiltPackage one = driver_package(kThermoId, 1);
  const BuiltPackage two = driver_package(kThermoId, 2);
  world.server.decide(kThermoId, {.package = &two});
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.server.entries[kThermoId].set_floor_release(2);
  world.server.publish_head();
  world.server.decide(kThermoId, {.package = &one});
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::refused) > 0; }, 70'000));
  CHECK(world.slot(0).error == Errc::rollback);
  CHECK(world.loader.runs(0, two.name()));
}

}  // namespace
}  // namespace mpyd::test
