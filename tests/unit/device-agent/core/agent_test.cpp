// A board's whole way through the agent, and what holds for the agent as a whole.
#include "device-agent/core/agent.hpp"

#include <algorithm>

#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

struct Thermo : World {
  BuiltPackage package = driver_package();
  explicit Thermo(unsigned slots = 3, std::size_t message_bytes = agent::kMessageBytesMin)
      : World(slots, message_bytes) {
    server.decide(kThermoId, {.package = &package, .message = "the newest release that fits"});
  }
  void plug_and_run(unsigned index) {
    plug(index, thermo_image());
    REQUIRE(run_until_state(index, SlotState::running));
  }
};

TEST_CASE("a plugged board gets its driver: fetched, verified, cached, loaded, running") {
  Thermo world;
  world.boot();
  world.plug_and_run(1);

  CHECK(world.loader.entered == 1);
  CHECK(world.loader.runs(1, world.package.name()));
  CHECK(world.loader.modules().at(0).plain == world.package.plain);
  CHECK(world.loader.modules().at(0).name == "thermo");
  CHECK(world.server.count("/v1/packages/") == 1);
  CHECK(world.store.has("p-"));
  CHECK(world.store.file("p-") == world.package.bytes);
  CHECK(world.slot(1).loaded == world.package.name());
  CHECK(world.slot(1).error == Errc{});
  CHECK(world.slot(0).state == SlotState::empty);
  CHECK(world.bus.written() == 0);
}

TEST_CASE("the events of a good plug come in order and say what happened in a sentence") {
  Thermo world;
  world.boot();
  world.run_sync();
  world.events.seen.clear();
  world.plug_and_run(2);

  std::vector<EventKind> kinds;
  for (const auto& event : world.events.seen) kinds.push_back(event.kind);
  CHECK(kinds == std::vector<EventKind>{EventKind::plugged, EventKind::identified,
                                        EventKind::chosen, EventKind::synced, EventKind::loaded});
  for (const auto& event : world.events.seen)
    CHECK((event.slot == 2 || event.kind == EventKind::synced));
  CHECK(world.events.last(EventKind::identified)->detail == kThermoId);
  CHECK(world.events.last(EventKind::chosen)->detail == "the newest release that fits");
  CHECK(world.events.last(EventKind::loaded)->detail == "thermo 1.1.0 (6.3-armv7m)");
  CHECK(world.events.last(EventKind::loaded)->duration_ms < 1000);
}

TEST_CASE("the server learns what is plugged, chosen and loaded") {
  Thermo world;
  world.boot();
  world.plug_and_run(0);
  world.run_ms(1000);

  REQUIRE(world.server.syncs.size() >= 2);
  const v1::SyncRequest& report = world.server.syncs.back();
  REQUIRE(report.boards_size() == 1);
  const v1::BoardReport& board = report.boards(0);
  CHECK(board.hardware_id() == kThermoId);
  CHECK(board.revision() == 3);
  CHECK(board.serial().size() == 16);
  CHECK(board.state() == static_cast<std::uint32_t>(SlotState::running));
  CHECK(board.loaded_digest() == text_of(world.package.name().bytes()));
  REQUIRE(board.cached_digests_size() == 1);
  CHECK(board.cached_digests(0) == board.loaded_digest());
  REQUIRE(report.events_size() == 1);
  CHECK(report.events(0).kind() == static_cast<std::uint32_t>(EventKind::loaded));
  CHECK(report.events(0).hardware_id() == kThermoId);
  CHECK(report.events(0).digest() == board.loaded_digest());
  CHECK(report.abi().arch() == static_cast<std::uint32_t>(Arch::armv7m));
  CHECK(report.firmware() == "test firmware");
}

TEST_CASE("a second board of the same kind shares the loaded module") {
  Thermo world;
  world.boot();
  world.plug_and_run(0);
  world.plug_and_run(1);
  CHECK(world.loader.entered == 1);
  CHECK(world.loader.attached == 2);
  CHECK(world.server.count("/v1/packages/") == 1);

  world.pull(0);
  CHECK(world.loader.detached == 1);
  CHECK(world.loader.unloaded == 0);
  CHECK(world.loader.runs(1, world.package.name()));
  world.pull(1);
  CHECK(world.loader.detached == 2);
  CHECK(world.loader.unloaded == 1);
  CHECK(world.loader.modules().empty());
}

TEST_CASE("a board plugged again comes from the cache, not from the network") {
  Thermo world;
  world.boot();
  for (int i = 0; i < 5; ++i) {
    world.plug_and_run(0);
    world.pull(0);
  }
  CHECK(world.server.count("/v1/packages/") == 1);
  CHECK(world.loader.entered == 5);
  CHECK(world.loader.unloaded == 5);
  CHECK(world.events.count(EventKind::removed) == 5);
}

TEST_CASE("boards of different kinds run side by side") {
  Thermo world;
  const BuiltPackage relay = driver_package(kRelayId, 4);
  world.server.decide(kRelayId, {.package = &relay});
  world.boot();
  world.plug(0, thermo_image());
  world.plug(1, board_image(0x43));
  REQUIRE(world.run_until_state(0, SlotState::running));
  REQUIRE(world.run_until_state(1, SlotState::running));
  CHECK(world.loader.runs(0, world.package.name()));
  CHECK(world.loader.runs(1, relay.name()));
}

TEST_CASE("the server may say more later and is asked again at once") {
  Thermo world;
  world.server.edit = [](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    if (answer.slots_size() < 2) return;
    answer.mutable_slots()->RemoveLast();
    answer.set_more(true);
  };
  world.boot();
  for (unsigned i = 0; i < 3; ++i) world.plug(i, thermo_image());
  for (unsigned i = 0; i < 3; ++i) CHECK(world.run_until_state(i, SlotState::running, 2000));
}

TEST_CASE(
    "A26 a board pulled at any bus transfer or poll leaves the agent and its neighbour well") {
  const BuiltPackage package = driver_package();
  std::size_t transfers = 0;
  {
    Thermo good;
    good.boot();
    good.plug_and_run(0);
    good.bus.reset_count();
    good.plug(1, thermo_image(good.package.bytes));
    REQUIRE(good.run_until_state(1, SlotState::running));
    transfers = good.bus.transfers();
  }
  REQUIRE(transfers > 20);

  Thermo world;
  world.boot();
  world.plug_and_run(0);
  for (std::size_t at = 0; at < transfers; ++at) {
    world.bus.reset_count();
    world.bus.before_transfer = [&](std::size_t number) {
      if (number >= at) world.bus.pull(1);
    };
    world.plug(1, thermo_image(world.package.bytes));
    world.run_until([&] { return !world.bus.has(1); }, 5000);
    world.bus.before_transfer = nullptr;
    world.pull(1);
    REQUIRE(world.slot(0).state == SlotState::running);
    REQUIRE_FALSE(world.store.is_begun());
  }
  CHECK(world.loader.modules().size() == 1);
  CHECK(world.loader.attached == world.loader.detached + 1);
  world.plug_and_run(1);
}

TEST_CASE("A26 a board pulled after any poll of its way is forgotten and comes back") {
  for (int polls = 1; polls < 40; ++polls) {
    Thermo world;
    world.boot();
    world.plug_and_run(2);
    // The second kind is not cached: its way leads through the network.
    const BuiltPackage relay = driver_package(kRelayId, 4);
    world.server.decide(kRelayId, {.package = &relay});
    world.plug(0, board_image(0x43));
    for (int i = 0; i < polls; ++i) world.clock.ms += world.agent().poll();
    world.pull(0);
    REQUIRE(world.slot(2).state == SlotState::running);
    REQUIRE_FALSE(world.store.is_begun());
    world.plug(0, board_image(0x43));
    REQUIRE(world.run_until_state(0, SlotState::running));
    REQUIRE(world.loader.modules().size() == 2);
  }
}

TEST_CASE("one poll moves at most one chunk over bus and network and feeds the watchdog") {
  Thermo world;
  world.package = driver_package(kThermoId, 1, 20'000);
  world.server.decide(kThermoId, {.package = &world.package});
  world.boot();
  const Buffer small = board_image(0x42);
  std::size_t bus_max = 0;
  std::size_t network_max = 0;
  std::size_t polls = 0;
  const std::size_t feeds = world.clock.watchdog_feeds;
  world.plug(0, small);
  while (world.slot(0).state != SlotState::running) {
    world.bus.reset_count();
    const std::size_t bytes_before = world.server.bytes;
    const std::size_t calls_before = world.server.calls;
    world.clock.ms += world.agent().poll();
    bus_max = std::max(bus_max, world.bus.bytes());
    network_max = std::max(network_max, world.server.bytes - bytes_before);
    REQUIRE(world.server.calls - calls_before <= 1);
    REQUIRE(++polls < 5000);
  }
  CHECK(bus_max <= 2048);
  CHECK(network_max <= agent::kWorkBytes);
  CHECK(world.clock.watchdog_feeds - feeds == polls);
}

TEST_CASE(
    "hashing and verifying an EEPROM moves at most one chunk a poll; pass 2 is the exception") {
  Thermo world;
  world.package = driver_package(kThermoId, 1, 5'000);
  world.server.decide(kThermoId, {.package = &world.package});
  world.boot();
  world.plug(0, thermo_image(world.package.bytes));
  std::size_t bus_max = 0;
  while (world.loader.entered == 0) {
    world.bus.reset_count();
    world.clock.ms += world.agent().poll();
    if (world.loader.entered == 0) bus_max = std::max(bus_max, world.bus.bytes());
  }
  CHECK(bus_max <= 2048 + 1);
  CHECK(world.slot(0).state == SlotState::running);
  CHECK(world.server.count("/v1/packages/") == 0);
}

TEST_CASE("the clock may stand anywhere and wrap while the agent works") {
  const std::uint32_t start_ms = GENERATE(0u, 0x7fffff00u, 0x80000000u, 0x9abcdef0u, 0xfffffe00u);
  Thermo world;
  world.clock.ms = start_ms;
  world.boot();
  world.plug_and_run(0);
  world.run_ms(65'000);
  world.pull(0);
  world.plug_and_run(0);
}

TEST_CASE("two agents in one process know nothing of each other") {
  Thermo one;
  Thermo two;
  two.server.decide(kThermoId, {});
  one.boot();
  two.boot();
  one.plug(0, thermo_image());
  two.plug(1, thermo_image());
  for (int i = 0; i < 3000; ++i) {
    one.clock.ms += one.agent().poll();
    two.clock.ms += two.agent().poll();
  }
  CHECK(one.slot(0).state == SlotState::running);
  CHECK(one.slot(1).state == SlotState::empty);
  CHECK(two.slot(1).state == SlotState::refused);
  CHECK(two.slot(1).error == Errc::no_driver);
  CHECK(two.slot(0).state == SlotState::empty);
  CHECK(two.loader.entered == 0);
  CHECK_FALSE(two.store.has("p-"));
}

TEST_CASE("stop detaches and unloads everything and forgets the keys") {
  Thermo world;
  world.boot();
  world.plug_and_run(0);
  world.plug_and_run(1);
  world.agent().stop();
  CHECK(world.loader.modules().empty());
  CHECK(world.loader.detached == 2);
  CHECK_FALSE(world.server.is_open());
  CHECK_FALSE(world.holds(make_exchange_pair(60).secret.bytes()));
  CHECK_FALSE(world.holds(world.package.content_key.bytes()));
}

TEST_CASE("A23 no content key and no plaintext stays in RAM, and none in clear in the store") {
  Thermo world;
  world.boot();
  SECTION("after a load") { world.plug_and_run(0); }
  SECTION("after an answer that changed nothing") {
    world.plug_and_run(0);
    world.run_ms(1000);
    REQUIRE(world.run_sync());
  }
  SECTION("after a pull in the middle of the way") {
    world.plug(0, thermo_image());
    REQUIRE(world.run_until([&] { return world.server.count("/v1/packages/") == 1; }));
    world.pull(0);
  }
  SECTION("after an attach that failed") {
    world.loader.next_attach_error = Errc::driver_error;
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::refused));
  }
  SECTION("after an offline choice that failed") {
    world.plug_and_run(0);
    world.pull(0);
    world.server.is_reachable = false;
    world.boot();
    world.loader.next_load_error = Errc::memory;
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::refused));
  }
  CHECK_FALSE(world.holds(world.package.content_key.bytes()));
  for (std::size_t at = 0; at + 16 < world.package.plain.size(); at += 16)
    CHECK_FALSE(world.holds(Bytes(world.package.plain).subspan(at, 16)));
  for (const auto& [name, bytes] : world.store.files()) {
    const auto contains = [&](Bytes secret) {
      return std::search(bytes.begin(), bytes.end(), secret.begin(), secret.end()) != bytes.end();
    };
    CHECK_FALSE(contains(world.package.content_key.bytes()));
    CHECK_FALSE(contains(Bytes(world.package.plain).first(16)));
  }
}

TEST_CASE("a public package needs no key") {
  Thermo world;
  Manifest manifest = driver_manifest(kThermoId);
  manifest.encryption = Encryption::none;
  world.package = build_package(manifest, Random(9).bytes(700), {publisher()});
  world.server.decide(kThermoId, {.package = &world.package});
  world.boot();
  world.plug_and_run(0);
  CHECK(world.loader.modules().at(0).plain == world.package.plain);
  CHECK_FALSE(world.store.has("k-"));
}

TEST_CASE("a board's configuration data is read on demand") {
  Thermo world;
  world.boot();
  world.plug(0, board_image(0x42, {}, 3, as_bytes("offset=12")));
  REQUIRE(world.run_until_state(0, SlotState::running));
  Buffer out(16);
  const auto size = world.agent().read_config(0, out);
  REQUIRE(size);
  CHECK(as_text(Bytes(out).first(*size)) == "offset=12");
  Buffer small(4);
  CHECK(world.agent().read_config(0, small).error() == Errc::limit);
  CHECK(world.agent().read_config(1, out).error() == Errc::no_device);
  CHECK(world.agent().read_config(99, out).error() == Errc::no_device);
  world.bus.pull(0);
  CHECK(world.agent().read_config(0, out).error() == Errc::no_device);
}

TEST_CASE("start refuses an identity it cannot trust or use") {
  World world;
  SECTION("cut short") {
    world.boot();
    const Buffer good = world.identity();
    for (std::size_t size = 0; size < good.size(); size += 7) {
      std::vector<agent::Slot> slots(1);
      Buffer work(agent::kWorkBytes);
      Buffer message(agent::kMessageBytesMin);
      agent::Agent other({world.bus, world.server, world.store, world.loader, world.clock,
                          world.entropy, world.events},
                         world.config, {slots, {}, work, message});
      CHECK_FALSE(other.start(Bytes(good).first(size)));
    }
  }
  SECTION("a root that nobody signed") {
    world.server.publish_root({make_signer(77)});
    CHECK(world.try_boot().error() == Errc::bad_signature);
  }
  SECTION("a server key of small order") {
    world.server.root_body.set_server_key(std::string(32, '\0'));
    world.server.publish_root(world.server.root_signers);
    CHECK(world.try_boot().error() == Errc::untrusted);
  }
}

TEST_CASE("start refuses too little memory") {
  World world(1, agent::kMessageBytesMin - 1);
  CHECK(world.try_boot().error() == Errc::limit);
}

}  // namespace
}  // namespace mpyd::test
