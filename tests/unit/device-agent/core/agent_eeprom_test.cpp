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
  std::vector<eeprom::HatPackage> records;
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

}  // namespace
}  // namespace mpyd::test
