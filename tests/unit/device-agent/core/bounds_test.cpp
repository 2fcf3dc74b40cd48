// What a device keeps is bounded.
#include "device-agent/core/bounds.hpp"

#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::SlotState;

std::size_t count(World& world, std::string_view prefix) {
  std::size_t n = 0;
  for (const auto& [name, bytes] : world.store.files()) n += name.starts_with(prefix);
  return n;
}

TEST_CASE("of many hardware IDs the newest 64 entries are kept, with all that belongs to them") {
  World world;
  constexpr unsigned kIds = kSavedEntriesMax + 3;
  std::vector<BuiltPackage> packages;
  packages.reserve(kIds);
  const auto id_of = [](unsigned i) {
    const char* const hex = "0123456789abcdef";
    return std::string("hat:Meadow%20Instruments:01") + hex[i / 16] + hex[i % 16];
  };
  for (unsigned i = 0; i < kIds; ++i) {
    const std::string id = id_of(i);
    packages.push_back(driver_package(id.c_str()));
    v1::PolicyEntry entry = example_entry({publisher()});
    entry.set_hardware_id(id);
    entry.set_driver_name("relay");
    world.server.entries[id] = entry;
    world.server.decide(id, {.package = &packages.back()});
  }
  world.server.publish_head();
  world.boot();
  // The first stays plugged all the time; each later one is proved by a newer head.
  for (unsigned i = 0; i < kIds; ++i) {
    world.server.publish_head();
    const unsigned slot = i == 0 ? 0 : 1;
    world.plug(slot, board_image(static_cast<std::uint16_t>(0x100 + i)));
    REQUIRE(world.run_until_state(slot, SlotState::running));
    if (slot == 1) world.pull(slot);
  }
  for (const char* prefix : {"e-", "a-", "l-", "p-", "k-"})
    CHECK(count(world, prefix) == kSavedEntriesMax);
  const auto has = [&](unsigned i) {
    return world.store.has(agent::entry_file(HardwareId::parse(id_of(i)).value()).view());
  };
  CHECK(has(0));
  for (unsigned i = 1; i < 4; ++i) CHECK_FALSE(has(i));
  for (unsigned i = 4; i < kIds; ++i) CHECK(has(i));
}

TEST_CASE("of one hardware ID at most four packages stay in the cache, the newest among them") {
  World world;
  std::vector<BuiltPackage> packages;
  for (const std::uint32_t release : {9u, 1u, 2u, 3u, 4u, 5u, 6u})
    packages.push_back(driver_package(kThermoId, release));
  world.boot();
  world.plug(0, thermo_image());
  for (const BuiltPackage& package : packages) {
    world.server.decide(kThermoId, {.package = &package});
    REQUIRE(world.run_until([&] { return world.loader.runs(0, package.name()); }, 130'000));
    CHECK(count(world, "p-") <= agent::kCachedPackagesMax);
    CHECK(count(world, "k-") == count(world, "p-"));
    CHECK(world.store.has(
        agent::package_file(HardwareId::parse(kThermoId).value(), packages[0].name()).view()));
  }
  CHECK(count(world, "p-") == agent::kCachedPackagesMax);
}

}  // namespace
}  // namespace mpyd::test
