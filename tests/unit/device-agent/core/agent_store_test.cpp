// A package written to a board's EEPROM in the field.
#include <algorithm>
#include <cstdlib>

#include "tests/support/agent/boards.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

constexpr std::uint32_t kTwoFit = 3072;
constexpr std::uint32_t kOneFits = 1152;

struct Storing : BoardsWorld {
  BuiltPackage next = driver_package(kThermoId, 2);
  BuiltPackage open_one = build_public(3);

  explicit Storing() : BoardsWorld(2) {
    give_fleet_keys(*this, {&hat, &next, &open_one});
    boot();
  }
  static BuiltPackage build_public(std::uint32_t release) {
    Manifest manifest = driver_manifest(kThermoId, release);
    manifest.encryption = Encryption::none;
    return build_package(manifest, Random(release).bytes(300), {publisher()}, 700);
  }
  void run(const FakePart& part) {
    plug_part(0, part);
    REQUIRE(run_until_state(0, SlotState::running));
    run_ms(500);
  }
  // The event that ended it.
  EventRecorder::Seen stored(std::uint32_t timeout_ms = 20'000) {
    const std::size_t before = events.count(EventKind::stored);
    must(agent().store(0));
    REQUIRE(run_until([&] { return events.count(EventKind::stored) > before; }, timeout_ms));
    return *events.last(EventKind::stored);
  }
  // A motherboard of the same fleet that knows the policy, and nothing else, without network.
  void become_another_motherboard() {
    bus.clear_fate();
    std::erase_if(store.files(), [](const auto& f) {
      return f.first.starts_with("p-") || f.first.starts_with("k-") || f.first.starts_with("a-");
    });
    server.is_reachable = false;
    boot();
  }
};

const Buffer kConfiguration = Random(3).bytes(40);

FakePart reserving(std::uint32_t bytes, BoardKind kind = BoardKind::hat_wide) {
  return part_of(kind, {.store_bytes = bytes});
}

TEST_CASE("a stored package makes the board bring its driver along, without a network") {
  const BoardKind kind = GENERATE(BoardKind::hat_wide, BoardKind::hexpansion_wide);
  const bool is_public = GENERATE(false, true);
  if (is_public && kind != BoardKind::hat_wide) return;
  Storing world;
  BuiltPackage package = is_public ? world.open_one : world.package_of(kind);
  world.server.decide(hardware_id_of(kind), {.package = &package});
  give_fleet_keys(world, {&package});
  const FakePart part = reserving(kTwoFit, kind);
  world.run(part);
  const eeprom::StoreArea area = world.slot(0).identity.store_area;
  REQUIRE(area.place.length >= kTwoFit);
  REQUIRE(world.slot(0).eeprom_digest.is_zero());

  const auto event = world.stored();
  CHECK(event.error == Errc{});
  CHECK(event.slot == 0);
  const Buffer after = world.bus.image(0);
  CHECK(std::equal(after.begin(), after.begin() + area.place.offset, part.bytes.begin()));
  CHECK(std::equal(after.begin() + area.place.offset + area.place.length, after.end(),
                   part.bytes.begin() + area.place.offset + area.place.length));
  // Weighed anew, and told to the server; the driver never stopped.
  REQUIRE(world.run_until([&] { return world.slot(0).eeprom_digest == package.name(); }));
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().boards(0).eeprom_digest() == text_of(package.name().bytes()));
  CHECK(world.loader.attached == 1);
  CHECK(world.loader.detached == 0);
  CHECK(world.events.count(EventKind::removed) == 0);

  SECTION("once more: it lies there already") {
    const std::size_t written = world.bus.written();
    CHECK(world.stored().detail == "the package lies on the board already");
    CHECK(world.bus.written() == written);
  }
  SECTION("on another motherboard of the fleet") {
    world.become_another_motherboard();
    REQUIRE(world.run_until_state(0, SlotState::running));
    CHECK(world.loader.runs(0, package.name()));
  }
}

TEST_CASE("a store that cannot be says why, and what") {
  Storing world;
  SECTION("no board") { CHECK(world.agent().store(0).error() == Errc::no_device); }
  SECTION("no such slot") { CHECK(world.agent().store(9).error() == Errc::no_device); }
  SECTION("no store area") {
    world.run(part_of(BoardKind::hat_wide, {}));
    CHECK(world.agent().store(0).error() == Errc::not_found);
  }
  SECTION("no driver") {
    world.server.decide(kThermoId, {.reason = Errc::no_driver});
    world.plug_part(0, reserving(kTwoFit));
    REQUIRE(world.run_until_state(0, SlotState::refused));
    CHECK(world.agent().store(0).error() == Errc::not_found);
  }
  SECTION("too small an area") {
    world.run(reserving(256));
    CHECK(world.agent().store(0).error() == Errc::limit);
  }
  SECTION("a policy against packages on EEPROMs, of a public one too") {
    for (BuiltPackage* package : {&world.hat, &world.open_one}) {
      CAPTURE(package == &world.open_one);
      world.server.decide(kThermoId, {.package = package});
      world.server.entries[kThermoId].set_eeprom_packages(0);
      world.server.publish_head();
      const FakePart part = reserving(kTwoFit);
      world.run(part);
      const auto event = world.stored();
      CHECK(event.error == Errc::policy);
      CHECK(event.detail == "policy allows no packages on EEPROMs of these boards");
      CHECK(world.bus.image(0) == part.bytes);
      world.pull(0);
    }
  }
  SECTION("an area for the package, but not for its key block: with numbers") {
    world.run(reserving(static_cast<std::uint32_t>(world.hat.bytes.size()) + 64));
    const auto event = world.stored();
    CHECK(event.error == Errc::limit);
    CHECK(event.detail.find(" bytes, the EEPROM's store area room for ") != std::string::npos);
  }
  SECTION("another one is on its way") {
    world.run(reserving(kTwoFit));
    must(world.agent().store(0));
    CHECK(world.agent().store(0).error() == Errc::conflict);
  }
  SECTION("write protection") {
    FakePart part = reserving(kTwoFit);
    part.is_write_protected = true;
    world.run(part);
    const auto event = world.stored();
    CHECK(event.error == Errc::write_protected);
    CHECK(world.bus.image(0) == part.bytes);
    CHECK(world.slot(0).state == SlotState::running);
  }
  SECTION("a part that takes too long for its write cycle") {
    FakePart part = reserving(kTwoFit);
    part.write_cycle_polls = 50;  // 1 ms each
    world.run(part);
    CHECK(world.stored().error == Errc::timeout);
    CHECK(world.slot(0).state == SlotState::running);
  }
  SECTION("a part that never comes back from its write cycle is gone") {
    FakePart part = reserving(kTwoFit);
    part.write_cycle_polls = 10'000;
    world.run(part);
    CHECK(world.stored(3000).error == Errc::no_device);
    CHECK(world.slot(0).state == SlotState::empty);
  }
  SECTION("no key block from the server") {
    give_fleet_keys(world, {});
    world.run(reserving(kTwoFit));
    const auto event = world.stored();
    CHECK(event.error == Errc::not_found);
    CHECK(event.detail == "the server has no key block for this package and this fleet");
    CHECK(world.bus.written() == 0);
  }
  SECTION("no server") {
    world.run(reserving(kTwoFit));
    world.server.is_reachable = false;
    CHECK(world.stored().error == Errc::unreachable);
    CHECK(world.bus.written() == 0);
  }
  SECTION("a key block that opens with no key of this fleet, or to another key") {
    const BuiltPackage other = driver_package(kThermoId, 9);
    const unsigned sealed_to = GENERATE(1u, 2u);
    const auto edit = world.server.edit;
    world.server.edit = [=](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
      edit(request, answer);
      for (v1::SlotAnswer& slot : *answer.mutable_slots())
        if (!slot.key_block().empty())
          slot.set_key_block(text_of(build_key_block(other, {fleet_pair(sealed_to).key})));
    };
    world.run(reserving(kTwoFit));
    CHECK(world.stored().error == Errc::no_key);
    CHECK(world.bus.written() == 0);
  }
  SECTION("the board is pulled on the way") {
    world.run(reserving(kTwoFit));
    must(world.agent().store(0));
    REQUIRE(world.run_until([&] { return world.bus.written() > 100; }));
    world.pull(0);
    CHECK(world.events.last(EventKind::stored)->error == Errc::no_device);
    world.run(reserving(kTwoFit));
    CHECK(world.stored().error == Errc{});
  }
}

TEST_CASE("A29 a store area that lies over what the identity uses is not written") {
  Storing world;
  world.run(part_of(BoardKind::hat_wide, {.store_bytes = kTwoFit}));
  // As a codec that did not look would have it.
  auto& identity = const_cast<agent::Slot&>(world.slot(0)).identity;
  SECTION("over the identity") { identity.store_area.place.offset = 0; }
  SECTION("beyond the part") { identity.store_area.place.offset = 8192 - 1024; }
  SECTION("with a length that wraps") { identity.store_area.place.length = 0xffffff00; }
  SECTION("off the pages") { identity.store_area.place.offset += 1; }
  const Buffer before = world.bus.image(0);
  CHECK(world.stored().error == Errc::malformed);
  CHECK(world.bus.image(0) == before);
}

TEST_CASE("A29 a store area over one thing alone that lies on the EEPROM is not written") {
  Storing world;
  // Packages are atoms of their own, in front of the area; so is the configuration.
  enum class Over { package, key_block, configuration };
  const Over over = GENERATE(Over::package, Over::key_block, Over::configuration);
  const bool has_package = over != Over::configuration;
  // A key block lies behind its package, and would speak for it.
  const Buffer block =
      over == Over::key_block ? build_key_block(world.open_one, {fleet_pair(1).key}) : Buffer{};
  Buffer on_board = has_package ? world.open_one.bytes : Buffer{};
  eeprom::BoardPackage package{.package = on_board, .key_block = block};
  eeprom::HatContent content{.vendor = "Meadow Instruments",
                             .product_id = 0x42,
                             .product_version = 3,
                             .configuration = kConfiguration,
                             .packages = {&package, has_package ? 1U : 0U},
                             .reserve = {.bytes = kTwoFit, .page_bytes = 32}};
  Buffer image(65536);
  image.resize(eeprom::write_hat(content, image).value());
  world.server.decide(kThermoId, {.package = &world.next});
  give_fleet_keys(world, {&world.next});
  world.run(FakePart::of(image));
  auto& identity = const_cast<agent::Slot&>(world.slot(0)).identity;
  const eeprom::BoardIdentity was = identity;
  auto& area = identity.store_area;
  area.page_bytes = 1;
  const auto begin_at = [&](std::uint32_t offset) {
    area.place.length += area.place.offset - offset;
    area.place.offset = offset;
  };
  if (has_package) identity.configuration = {};  // it is not what stops this
  const eeprom::Extent alone = over == Over::package     ? was.package
                               : over == Over::key_block ? was.key_block
                                                         : was.configuration;
  REQUIRE(alone.length > 4);
  SECTION("its last byte") { begin_at(alone.offset + alone.length - 1); }
  SECTION("all of it, but for its first byte") { begin_at(alone.offset + 1); }
  const Buffer before = world.bus.image(0);
  CHECK(world.stored().error == Errc::malformed);
  CHECK(world.bus.image(0) == before);
  CHECK(world.bus.written() == 0);
}

TEST_CASE("two slots' stores and loads do not disturb one another") {
  Storing world;
  world.run(reserving(kTwoFit));
  must(world.agent().store(0));
  world.plug_part(1, part_of(BoardKind::hexpansion_small, {}));
  REQUIRE(world.run_until_state(1, SlotState::running));
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::stored) == 1; }));
  CHECK(world.events.last(EventKind::stored)->error == Errc{});
}

// What lies on the board after power was lost at a byte of the second store.
void cut_and_look(std::uint32_t area_bytes) {
  Storing start;
  start.run(reserving(area_bytes));
  REQUIRE(start.stored().error == Errc{});
  start.run_ms(2000);
  const Buffer old_image = start.bus.image(0);
  const eeprom::StoreArea area = start.slot(0).identity.store_area;

  const bool is_full = std::getenv("MPYD_TEST_FULL") != nullptr;
  std::size_t bytes = 1;
  unsigned runs_old = 0;
  unsigned runs_new = 0;
  unsigned runs_none = 0;
  for (std::size_t at = 0; at < bytes; at += is_full ? 1 : 97) {
    Storing world;
    world.server.decide(kThermoId, {.package = &world.next});
    world.run(FakePart::of(old_image));
    REQUIRE(world.loader.runs(0, world.next.name()));
    world.bus.counted_slot = 0;
    world.bus.set_fate(at == 0 ? FakeBus::Fate::none : FakeBus::Fate::power_lost, at);
    if (at == 0) {
      REQUIRE(world.stored().error == Errc{});
      bytes = world.bus.counted_bytes;
      REQUIRE(bytes > 1500);
    } else {
      must(world.agent().store(0));
      try {
        world.run_ms(20'000);
        FAIL("no such byte");
      } catch (const PowerLost&) {
      }
    }
    FakePart& part = world.bus.part(0);
    part.counter = part.busy = 0;
    // Never a byte outside the area.
    Buffer image = part.bytes;
    std::copy_n(old_image.begin() + area.place.offset, area.place.length,
                image.begin() + area.place.offset);
    if (image != old_image) FAIL("byte " << at << ": something beside the store area was written");

    world.become_another_motherboard();
    REQUIRE(world.run_until([&] {
      return world.slot(0).state == SlotState::running || world.slot(0).state == SlotState::refused;
    }));
    if (world.slot(0).state == SlotState::refused)
      ++runs_none;
    else
      ++(world.loader.runs(0, world.next.name()) ? runs_new : runs_old);
    if (area_bytes == kTwoFit && world.slot(0).state != SlotState::running)
      FAIL("byte " << at << ": neither the old nor the new package is there");
  }
  CHECK(runs_new > 0);
  if (area_bytes == kTwoFit)
    CHECK(runs_old > 10);
  else
    CHECK(runs_none > 0);
}

TEST_CASE(
    "A27 power lost at any byte of a store: the identity stays, and a package, where two fit") {
  cut_and_look(kTwoFit);
}

TEST_CASE("A27 power lost at any byte of a store where one fits: old, new or none") {
  cut_and_look(kOneFits);
}

}  // namespace
}  // namespace mpyd::test
