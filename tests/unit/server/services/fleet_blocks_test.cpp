// Packages that a motherboard writes to a board: what the server gives for that, and to whom.
#include "server/services/fleet_blocks.hpp"

#include "protocol/package/package.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/device.hpp"

namespace mpyd::server {
using test::must;
using test::PackageOptions;
using test::ServerWorld;
using test::SyncingDevice;

namespace {

struct StoringWorld : ServerWorld {
  StoringWorld() {
    set_policy({entry()});
    published = must(publish({})).items[0].variant.digest;
    must(devices.enroll(device.pair.key, "bench", "test"));
  }
  v1::SyncRequest store_request(const Digest& digest, std::uint32_t revision = 0) {
    auto request = device.request();
    request.set_head_version(head_version);
    request.set_fleet_generation(fleet_keys.newest());
    v1::BoardReport& board = SyncingDevice::add_board(request);
    board.set_wants_answer(false);
    board.set_revision(revision);
    board.set_store_digest(std::string(as_text(digest.bytes())));
    return request;
  }
  v1::SlotAnswer ask(const Digest& digest, std::uint32_t revision = 0) {
    const auto answer = device.exchange(sync, store_request(digest, revision));
    return answer.slots_size() == 0 ? v1::SlotAnswer() : answer.slots(0);
  }
  v1::SlotAnswer ask_under(const trust::PolicyEntry& e) {
    set_policy({e});
    return ask(published);
  }
  // With the fleet key of this place, newest first. Errors: no_key.
  mpyd::Result<ContentKey> open(const std::string& block, const Digest& digest,
                                std::size_t key = 0) {
    const auto stored = must(releases.package_part(digest, 0, 1U << 20));
    const auto head = parse_package_head(stored.bytes).value();
    mpyd::Result<ContentKey> out = mpyd::fail(Errc::no_key);
    std::size_t at = 0;
    fleet_keys.for_each([&](std::uint32_t, const SecretKey& secret) {
      if (at++ == key)
        out = open_content_key(as_bytes(block), secret, fleet_keys_public(key),
                               head.manifest_digest, head.manifest.commitment);
    });
    return out;
  }
  ExchangeKey fleet_keys_public(std::size_t key) { return listed[key].public_key; }
  void list_keys() { listed = fleet_keys.list(); }

  Digest published;
  SyncingDevice device{server_key.public_key};
  std::vector<FleetKeys::Key> listed;
};

std::string text_of(const Digest& digest) { return std::string(as_text(digest.bytes())); }

bool is_given(const v1::SlotAnswer& slot) { return !slot.store_digest().empty(); }

}  // namespace

TEST_CASE("a package that is to be stored on a board comes with a key block for the fleet") {
  StoringWorld world;
  const auto slot = world.ask(world.published);
  world.list_keys();
  CHECK(slot.store_digest() == text_of(world.published));
  CHECK(slot.key_block().size() == kKeyBlockFixedBytes + kKeyEntryBytes);
  CHECK(world.open(slot.key_block(), world.published));
  CHECK_FALSE(
      has_recipient(as_bytes(slot.key_block()), key_id(world.server_key.public_key.bytes())));
  CHECK(world.audit_count("key-block") == 1);
}

TEST_CASE("the first package to be stored makes the fleet's first key, in the same answer") {
  StoringWorld world;
  const auto answer = world.device.exchange(world.sync, world.store_request(world.published));
  REQUIRE(answer.fleet_keys_size() == 1);
  CHECK(answer.fleet_keys(0).generation() == 1);
  CHECK(is_given(answer.slots(0)));
  CHECK(world.audit_count("fleet-key") == 1);
}

TEST_CASE("a key block is made once per package and fleet key, and outlives a restart") {
  StoringWorld world;
  const auto first = world.ask(world.published).key_block();
  CHECK(world.ask(world.published).key_block() == first);
  SyncService again(*world.store, world.trust, world.resolve, world.server_keys, world.fleet_keys,
                    world.place, world.clock);
  const auto answer = world.device.exchange(again, world.store_request(world.published));
  CHECK(answer.slots(0).key_block() == first);

  must(world.fleet_keys.make(2, "test"));
  const auto second = world.ask(world.published).key_block();
  world.list_keys();
  CHECK(second != first);
  CHECK(world.open(second, world.published, 0));
  CHECK(world.open(second, world.published, 1).error() == Errc::no_key);
}

TEST_CASE("a public package needs no key block") {
  StoringWorld world;
  const auto digest = must(world.publish({.version = "1.5.0", .release = 2, .is_public = true}))
                          .items[0]
                          .variant.digest;
  const auto slot = world.ask(digest);
  CHECK(slot.store_digest() == text_of(digest));
  CHECK(slot.key_block().empty());
}

TEST_CASE("A33 no key block for a package that policy keeps off this board") {
  StoringWorld world;
  trust::PolicyEntry e = world.entry();
  CHECK(is_given(world.ask_under(e)));

  e.eeprom_packages = false;
  CHECK_FALSE(is_given(world.ask_under(e)));
  e = world.entry();
  e.floor_release = 2;
  CHECK_FALSE(is_given(world.ask_under(e)));
  e = world.entry();
  e.revoked_digests.push_back(world.published);
  CHECK_FALSE(is_given(world.ask_under(e)));
  e = world.entry();
  e.pinned_digests.push_back(Digest{});
  CHECK_FALSE(is_given(world.ask_under(e)));
  e = world.entry();
  e.mode = trust::ReleaseMode::approved_only;
  CHECK_FALSE(is_given(world.ask_under(e)));
  e.approved_digests.push_back(world.published);
  CHECK(is_given(world.ask_under(e)));
  e.approved_digests.clear();
  e.board_refused = true;
  CHECK_FALSE(is_given(world.ask_under(e)));
  world.set_policy({});
  CHECK_FALSE(is_given(world.ask(world.published)));
}

TEST_CASE("A16 no key block for a package of another board, ABI or revision") {
  StoringWorld world;
  world.set_policy({world.entry(), world.entry("hat:Other:0001")});
  const auto digest_of = [&](const PackageOptions& options) {
    return must(world.publish(options)).items[0].variant.digest;
  };
  CHECK_FALSE(is_given(world.ask(digest_of({.hardware_id = "hat:Other:0001"}))));
  CHECK_FALSE(is_given(world.ask(digest_of({.version = "2.0.0", .release = 2, .abi = "6.3-x64"}))));
  const auto narrow = digest_of({.version = "3.0.0", .release = 3, .revision_min = 5});
  CHECK_FALSE(is_given(world.ask(narrow, 4)));
  CHECK(is_given(world.ask(narrow, 5)));
  CHECK_FALSE(is_given(world.ask(test::random_fixed<Digest>(77))));
  CHECK(world.audit_count("key-block") == 1);
}

TEST_CASE("a package that was withdrawn, or that this server cannot open, is not stored") {
  StoringWorld world;
  must(world.releases.set_withdrawn({test::hardware_id(), parse_version("1.4.0").value(), ""}, true,
                                    "test"));
  CHECK_FALSE(is_given(world.ask(world.published)));

  trust::PolicyEntry e = world.entry();
  e.unchecked_packages = true;
  world.set_policy({e});
  const ExchangeKeyPair stranger = make_exchange_key();
  const auto sealed =
      world.package({.version = "4.0.0", .release = 4, .recipient = &stranger.public_key});
  const auto digest = must(world.publish_service.publish(sealed, "test", Acceptance::unchecked))
                          .items[0]
                          .variant.digest;
  CHECK_FALSE(is_given(world.ask(digest)));
}

TEST_CASE("a device with little room gets its driver and stores nothing") {
  StoringWorld world;
  (void)world.ask(world.published);
  auto request = world.store_request(world.published);
  const std::size_t whole = world.device.exchange(world.sync, request).ByteSizeLong();
  request.set_counter(++world.device.counter);
  request.set_answer_bytes_max(static_cast<std::uint32_t>(sync::kAnswerMessageOffset + whole - 20));
  const auto answer = world.device.exchange(world.sync, request);
  REQUIRE(answer.slots_size() == 1);
  CHECK_FALSE(answer.more());
  CHECK(answer.slots(0).key_block().empty());
  CHECK_FALSE(is_given(answer.slots(0)));
  CHECK_FALSE(answer.slots(0).content_key().empty());
}

TEST_CASE("A41 a device that asks without end fills no audit log") {
  StoringWorld world;
  for (std::uint32_t i = 0; i < kEventRowsPerHourMax + 5; ++i) (void)world.ask(world.published);
  CHECK(world.audit_count("key-block") == kEventRowsPerHourMax);
}

}  // namespace mpyd::server
