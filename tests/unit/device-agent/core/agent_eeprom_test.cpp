// Boards that carry packages for several motherboards.
#include "protocol/eeprom/hat_writer.hpp"
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::SlotState;

BuiltPackage package_for(std::string_view abi, std::uint32_t release = 1) {
  Manifest manifest = driver_manifest(kThermoId, release);
  manifest.abi = parse_abi(abi).value();
  manifest.abi.small_int_bits = 31;
  return build_package(manifest, Random(release).bytes(300), {publisher()}, 300 + release);
}

Buffer image_with(const std::vector<const BuiltPackage*>& packages) {
  std::vector<eeprom::BoardPackage> records;
  for (const BuiltPackage* package : packages) records.push_back({.package = package->bytes});
  Buffer out(FakeBus::kPartBytes);
  eeprom::HatContent content{.vendor = "Meadow Instruments",
                             .product_id = 0x42,
                             .product_version = 3,
                             .packages = records};
  out.resize(eeprom::write_hat(content, out).value());
  return out;
}

struct Board : World {
  BuiltPackage x64 = package_for("6.3-x64", 1);
  BuiltPackage rv32 = package_for("6.3-rv32imc", 2);
  BuiltPackage armv7m = package_for("6.3-armv7m", 3);
  BuiltPackage bytecode = package_for("6-any", 4);

  // The digest that the agent takes for the board's.
  Digest weighed(const std::vector<const BuiltPackage*>& packages) {
    boot();
    plug(0, image_with(packages));
    REQUIRE(run_until([&] { return !slot(0).eeprom_digest.is_zero(); }));
    return slot(0).eeprom_digest;
  }
};

TEST_CASE("of several packages on a board the first whose ABI fits this motherboard is its") {
  Board world;
  SECTION("the last of three") {
    CHECK(world.weighed({&world.x64, &world.rv32, &world.armv7m}) == world.armv7m.name());
  }
  SECTION("the first, though the next fits too") {
    CHECK(world.weighed({&world.armv7m, &world.bytecode}) == world.armv7m.name());
  }
  SECTION("bytecode behind native code for others") {
    CHECK(world.weighed({&world.x64, &world.bytecode, &world.armv7m}) == world.bytecode.name());
  }
}

TEST_CASE("where no package on a board fits, the last is looked at and refused by its ABI") {
  Board world;
  CHECK(world.weighed({&world.x64, &world.rv32}) == world.rv32.name());
}

TEST_CASE("a package that cannot be read hides none behind it") {
  Board world;
  // Longer than a configuration can be, so the checksum of its atom is not read.
  const BuiltPackage big =
      build_package(world.x64.manifest, Random(1).bytes(1200), {publisher()}, 7);
  Buffer image = image_with({&big, &world.armv7m});
  image[as_text(image).find("mpyd") + kRecordHeaderBytes] = std::byte{0x77};  // its format number
  world.boot();
  world.plug(0, image);
  REQUIRE(world.run_until([&] { return !world.slot(0).eeprom_digest.is_zero(); }));
  CHECK(world.slot(0).eeprom_digest == world.armv7m.name());
}

TEST_CASE("the package that fits is loaded from the board, without a byte of it from the network") {
  Board world;
  world.boot();
  world.server.decide(kThermoId, {.package = &world.armv7m});
  world.plug(0, image_with({&world.x64, &world.armv7m}));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, world.armv7m.name()));
  CHECK(world.server.count("/v1/packages/") == 0);
}

TEST_CASE("whichever transfer fails while packages are weighed, the one that fits is found") {
  Board world;
  world.boot();
  const Buffer image = image_with({&world.x64, &world.rv32, &world.armv7m});
  for (std::size_t transfer = 0; transfer < 40; ++transfer) {
    CAPTURE(transfer);
    world.bus.fail_at(transfer, Errc::io);
    world.plug(0, image);
    REQUIRE(world.run_until([&] { return !world.slot(0).eeprom_digest.is_zero(); }));
    CHECK(world.slot(0).eeprom_digest == world.armv7m.name());
    world.pull(0);
  }
}

// Several packages for this motherboard on one board, and nobody to ask.
struct Alone : Board {
  BuiltPackage first = package_for("6.3-armv7m", 5);
  BuiltPackage second = package_for("6.3-armv7m", 6);
  BuiltPackage third = package_for("6-any", 7);

  Alone() {
    for (const BuiltPackage* package : {&first, &second, &third}) offer_key(*package);
  }
  // Public packages need no key.
  void offer_key(BuiltPackage& package) {
    Manifest manifest = package.manifest;
    manifest.encryption = Encryption::none;
    package = build_package(manifest, package.plain, {publisher()}, 900 + manifest.release);
  }
  void offer_key(const BuiltPackage& package) { offer_key(const_cast<BuiltPackage&>(package)); }
  void learn_policy() {
    server.publish_head();
    server.decide(kThermoId, {.reason = Errc::no_driver});
    boot();
    plug(0, image_with({}));
    REQUIRE(run_sync());
    pull(0);
    std::erase_if(store.files(), [](const auto& f) { return f.first.starts_with("a-"); });
    server.is_reachable = false;
    boot();
  }
  void expect(const BuiltPackage& package) {
    REQUIRE(run_until_state(0, SlotState::running));
    CHECK(loader.runs(0, package.name()));
    CHECK(slot(0).eeprom_digest == package.name());
  }
};

TEST_CASE("without a server the newest of all packages on the board is loaded, wherever it lies") {
  Alone world;
  world.learn_policy();
  SECTION("first") { world.plug(0, image_with({&world.third, &world.second, &world.first})); }
  SECTION("in the middle") {
    world.plug(0, image_with({&world.x64, &world.first, &world.third, &world.rv32, &world.second}));
  }
  SECTION("last") { world.plug(0, image_with({&world.first, &world.second, &world.third})); }
  world.expect(world.third);
}

TEST_CASE("a package on the board that policy forbids hides no older one that is good") {
  Alone world;
  v1::PolicyEntry& entry = world.server.entries[kThermoId];
  SECTION("revoked") {
    entry.add_revoked_digests(text_of(world.third.name().bytes()));
    entry.add_revoked_digests(text_of(world.second.name().bytes()));
  }
  SECTION("not approved") {
    entry.set_mode(1);
    entry.add_approved_digests(text_of(world.first.name().bytes()));
  }
  SECTION("pinned to another") { entry.add_pinned_digests(text_of(world.first.name().bytes())); }
  world.learn_policy();
  world.plug(0, image_with({&world.third, &world.first, &world.second}));
  world.expect(world.first);
}

TEST_CASE("where nothing on the board may run, the slot says so and shows the first package") {
  Alone world;
  world.server.entries[kThermoId].set_floor_release(9);
  world.learn_policy();
  world.plug(0, image_with({&world.third, &world.first}));
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::rollback);
  CHECK(world.slot(0).eeprom_digest == world.third.name());
}

TEST_CASE("whichever transfer fails while packages are compared, the newest is loaded") {
  Alone world;
  world.learn_policy();
  const Buffer image = image_with({&world.first, &world.second, &world.third});
  for (std::size_t transfer = 0; transfer < 260; transfer += 13) {
    CAPTURE(transfer);
    world.bus.fail_at(transfer, Errc::io);
    world.plug(0, image);
    REQUIRE(world.run_until_state(0, SlotState::running));
    CHECK(world.loader.runs(0, world.third.name()));
    world.pull(0);
  }
}

TEST_CASE("a stale driver on the board keeps no newer release waiting") {
  Alone world;
  world.server.decide(kThermoId, {.package = &world.third});
  world.boot();
  world.plug(0, image_with({&world.first}));
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.runs(0, world.third.name()));
  CHECK(world.loader.entered == 1);
}

}  // namespace
}  // namespace mpyd::test
