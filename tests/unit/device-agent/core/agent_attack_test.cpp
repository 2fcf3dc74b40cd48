// Every byte of a package flipped at its source, and bytes that change between the passes.
#include <algorithm>

#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

// A world whose board was refused stays usable: the next board starts from the same point.
struct Flips : World {
  BuiltPackage package = driver_package();
  Flips() { server.decide(kThermoId, {.package = &package}); }

  std::byte flipped(std::size_t offset) const {
    return package.bytes[offset] ^ static_cast<std::byte>(1U << offset % 8);
  }
  // Plugs `image`, expects a refusal in pass 1, pulls.
  void expect_refused(std::size_t offset, Bytes image) {
    plug(0, image);
    if (!run_until([&] {
          return slot(0).state == SlotState::refused || slot(0).state == SlotState::running;
        }))
      FAIL("no decision about a package with byte " << offset << " flipped");
    if (loader.entered != 0 || slot(0).state != SlotState::refused)
      FAIL("a package with byte " << offset << " flipped reached the loader");
    if (events.last(EventKind::refused)->detail.empty()) FAIL("no sentence");
    pull(0);
  }
};

TEST_CASE("A02 a bit flipped at any byte of a package on the network is refused in pass 1") {
  Flips world;
  world.boot();
  std::size_t at = 0;
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path.starts_with("/v1/packages/")) answer.body[at] = world.flipped(at);
  };
  const Buffer image = thermo_image();
  for (; at < world.package.bytes.size(); ++at) {
    world.expect_refused(at, image);
    if (world.store.has("p-")) FAIL("byte " << at << ": a bad package became visible in the cache");
  }
  CHECK(world.server.count("/v1/packages/") == world.package.bytes.size());

  // The same world without the flip loads: the loop above would have noticed.
  world.server.spoil = nullptr;
  world.plug(0, image);
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.entered == 1);
}

TEST_CASE("A02 a bit flipped at any byte of a package in the cache is refused in pass 1") {
  Flips world;
  world.boot();
  const Buffer image = thermo_image();
  world.plug(0, image);
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  world.loader.entered = 0;
  const std::string name = world.store.files().lower_bound("p-")->first;

  world.server.packages.clear();  // or the refused copy would be replaced
  for (std::size_t at = 0; at < world.package.bytes.size(); ++at) {
    Buffer bytes = world.package.bytes;
    bytes[at] = world.flipped(at);
    world.store.files()[name] = bytes;
    world.expect_refused(at, image);
    if (world.store.files().contains(name)) FAIL("byte " << at << ": the bad copy was kept");
  }

  world.store.files()[name] = world.package.bytes;
  world.plug(0, image);
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.entered == 1);
}

TEST_CASE("A02 A25 a bit flipped at any byte of a package on the EEPROM is refused in pass 1") {
  Flips world;
  world.boot();
  const Buffer good = thermo_image(world.package.bytes);
  const std::size_t package_at =
      static_cast<std::size_t>(std::search(good.begin(), good.end(), world.package.bytes.begin(),
                                           world.package.bytes.end()) -
                               good.begin());
  world.server.packages.clear();
  // The board claims the digest of the good bytes: it shows them until the answer is there.
  std::size_t at = 0;
  world.server.edit = [&](const v1::SyncRequest& request, v1::SyncAnswer&) {
    if (request.boards_size() == 0 || request.boards(0).eeprom_digest().empty()) return;
    if (world.bus.has(0)) world.bus.image(0)[package_at + at] = world.flipped(at);
  };
  for (; at < world.package.bytes.size(); ++at) world.expect_refused(at, good);

  world.server.edit = nullptr;
  world.plug(0, good);
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.loader.entered == 1);
}

TEST_CASE("A02 a flipped EEPROM image names another board, or none, or nothing that runs") {
  Flips world;
  world.server.is_reachable = false;
  world.boot();
  const Buffer good = thermo_image(world.package.bytes);
  for (std::size_t at = 0; at < good.size(); ++at) {
    Buffer image = good;
    image[at] ^= static_cast<std::byte>(1U << at % 8);
    world.plug(0, image);
    REQUIRE(world.run_until([&] {
      return world.slot(0).state == SlotState::refused ||
             world.slot(0).state == SlotState::unidentified;
    }));
    if (world.loader.entered != 0) FAIL("byte " << at);
    world.pull(0);
  }
}

// The wire chunks of driver_package() are this long, the last one excepted.
constexpr std::size_t kWireChunkBytes = kChunkBytesMin + crypto::kStreamOverhead + Digest::kSize;

TEST_CASE("A25 bytes of the cache that change between the passes stop the loader at that chunk") {
  const std::size_t chunk = GENERATE(0u, 1u);
  const bool is_online = GENERATE(true, false);
  Flips world;
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.pull(0);
  world.loader.plain_bytes = 0;

  world.server.is_reachable = is_online;
  world.server.packages.clear();
  world.loader.on_enter = [&] {
    Buffer& file = world.store.file("p-");
    file[file.size() - world.package.manifest.body_bytes + chunk * kWireChunkBytes + 5] ^=
        std::byte{4};
  };
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.loader.entered == 2);
  CHECK(world.loader.last_read.error() == Errc::bad_digest);
  CHECK(world.loader.plain_bytes == chunk * kChunkBytesMin);
  CHECK(world.loader.modules().empty());
  CHECK(world.loader.attached == 1);  // the first time
  CHECK(world.events.last(EventKind::refused)->error == Errc::bad_digest);
  CHECK_FALSE(world.store.has("p-"));

  // The bad copy is gone, and the network's is as good as ever.
  world.loader.on_enter = nullptr;
  world.server.offer(world.package);
  world.server.is_reachable = true;
  REQUIRE(world.run_until_state(0, SlotState::running, 70'000));
}

TEST_CASE("A25 an EEPROM that shows other bytes the second time stops the loader at that chunk") {
  const std::size_t chunk = GENERATE(0u, 1u);
  Flips world;
  world.server.packages.clear();
  world.boot();
  const Buffer image = thermo_image(world.package.bytes);
  const Bytes body = world.package.body();
  const auto body_at = std::search(image.begin(), image.end(), body.begin(), body.end());
  const auto spoiled_at =
      static_cast<std::size_t>(body_at - image.begin()) + chunk * kWireChunkBytes + 5;
  world.loader.on_enter = [&] { world.bus.image(0)[spoiled_at] ^= std::byte{1}; };
  world.plug(0, image);
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == Errc::bad_digest);
  CHECK(world.loader.entered == 1);
  CHECK(world.loader.last_read.error() == Errc::bad_digest);
  CHECK(world.loader.plain_bytes == chunk * kChunkBytesMin);
  CHECK(world.loader.modules().empty());
  CHECK(world.loader.attached == 0);

  SECTION("the board without its trick loads") {
    world.loader.on_enter = nullptr;
    world.pull(0);
    world.plug(0, image);
    CHECK(world.run_until_state(0, SlotState::running));
  }
  SECTION("the network's copy loads, and the EEPROM is not tried again") {
    world.server.offer(world.package);
    REQUIRE(world.run_until_state(0, SlotState::running, 70'000));
    CHECK(world.server.count("/v1/packages/") >= 1);
  }
}

TEST_CASE("A26 a board pulled while the loader reads its EEPROM leaves nothing behind") {
  Flips world;
  world.boot();
  const Buffer image = thermo_image(world.package.bytes);
  // The first chunk takes three transfers, the second one.
  for (std::size_t transfers = 0; transfers < 4; ++transfers) {
    world.loader.on_enter = [&] {
      world.bus.reset_count();
      world.bus.before_transfer = [&](std::size_t number) {
        if (number == transfers) world.bus.pull(0);
      };
    };
    world.plug(0, image);
    REQUIRE(world.run_until([&] { return !world.bus.has(0); }));
    world.bus.before_transfer = nullptr;
    REQUIRE(world.run_until_state(0, SlotState::empty));
    REQUIRE(world.loader.modules().empty());
    REQUIRE(world.loader.attached == 0);
  }
  world.loader.on_enter = nullptr;
  world.plug(0, image);
  CHECK(world.run_until_state(0, SlotState::running));
}

TEST_CASE("contacts that bounce while the package is read do not matter") {
  Flips world;
  world.boot();
  const Buffer image = thermo_image(world.package.bytes);
  for (std::size_t at = 0; at < 40; at += 3) {
    world.bus.fail_at(at, Errc::io);
    world.plug(0, image);
    REQUIRE(world.run_until_state(0, SlotState::running));
    world.pull(0);
  }
  CHECK(world.server.count("/v1/packages/") == 0);
  CHECK(world.events.count(EventKind::refused) == 0);
}

TEST_CASE("A30 counts and sizes above their bounds end a fetch before any cryptography") {
  Flips world;
  world.boot();
  std::size_t at = 0;
  std::byte value{};
  Errc error{};
  SECTION("signatures") {
    at = kRecordHeaderBytes + 1;
    value = std::byte{5};
    error = Errc::limit;
  }
  SECTION("a manifest of 64 KiB") {
    at = kRecordHeaderBytes + 3;
    value = std::byte{0xff};
    error = Errc::limit;
  }
  SECTION("a newer format") {
    at = kRecordHeaderBytes;
    value = std::byte{9};
    error = Errc::unsupported;
  }
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path.starts_with("/v1/packages/")) answer.body[at] = value;
  };
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.slot(0).error == error);
  CHECK(world.loader.entered == 0);
}

}  // namespace
}  // namespace mpyd::test
