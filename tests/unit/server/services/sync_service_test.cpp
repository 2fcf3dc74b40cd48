#include "server/services/sync_service.hpp"

#include "protocol/package/package.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/device.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;
using test::SyncingDevice;

namespace {

sync::Status status(const v1::SyncAnswer& answer) {
  return static_cast<sync::Status>(answer.status());
}

// A server with one release, and a device it knows.
struct EnrolledWorld : ServerWorld {
  EnrolledWorld() {
    set_policy({entry()});
    published = must(publish({})).items[0].variant;
    must(devices.enroll(device.pair.key, "bench", "test"));
  }
  Variant published;
  SyncingDevice device{server_key.public_key};
};

std::string text_of(const Digest& digest) { return std::string(as_text(digest.bytes())); }

}  // namespace

TEST_CASE("a sync answers with head, proof, package and a content key that fits") {
  EnrolledWorld world;
  auto request = world.device.request();
  SyncingDevice::add_board(request);
  const auto answer = world.device.exchange(world.sync, request);

  CHECK(status(answer) == sync::Status::ok);
  CHECK(answer.request_nonce() == std::string(as_text(world.device.nonce.bytes())));
  CHECK(answer.request_digest() == text_of(world.device.request_digest));
  CHECK(answer.server_unix_s() == world.clock.now);
  CHECK(answer.root_version() == 1);
  CHECK(as_bytes(answer.head()).size() == world.trust.view()->head_document().size());
  REQUIRE(answer.slots_size() == 1);
  const v1::SlotAnswer& slot = answer.slots(0);
  CHECK(slot.package_digest() == text_of(world.published.digest));
  CHECK(slot.package_bytes() == world.published.package_bytes);
  CHECK(slot.message() == "thermo 1.4.0 for 6.3-armv7m is release 1, the newest that fits");
  CHECK(slot.has_entry());
  const auto stored = must(world.releases.package_part(world.published.digest, 0, 1U << 20));
  const auto head = parse_package_head(stored.bytes).value();
  const auto key = ContentKey::from(as_bytes(slot.content_key())).value();
  CHECK(commitment_of(key) == head.manifest.commitment);
}

TEST_CASE("A23 neither content key nor names travel in clear") {
  EnrolledWorld world;
  auto request = world.device.request();
  SyncingDevice::add_board(request);
  const auto answer = world.device.exchange(world.sync, request);
  const std::string_view wire = as_text(world.device.answer_bytes);
  CHECK(wire.find(answer.slots(0).content_key()) == std::string_view::npos);
  CHECK(wire.find("thermo") == std::string_view::npos);
  CHECK(as_text(world.device.seal(request)).find("hat:") == std::string_view::npos);
}

TEST_CASE("the head is sent only to devices whose head is older") {
  EnrolledWorld world;
  auto request = world.device.request();
  request.set_head_version(world.head_version);
  CHECK(world.device.exchange(world.sync, request).head().empty());
  world.set_policy({world.entry()});
  request = world.device.request();
  request.set_head_version(world.head_version - 1);
  CHECK_FALSE(world.device.exchange(world.sync, request).head().empty());
}

TEST_CASE("only boards that want an answer get one; every board is in the inventory") {
  EnrolledWorld world;
  auto request = world.device.request();
  SyncingDevice::add_board(request, 0).set_wants_answer(false);
  SyncingDevice::add_board(request, 3);
  const auto answer = world.device.exchange(world.sync, request);
  REQUIRE(answer.slots_size() == 1);
  CHECK(answer.slots(0).slot() == 3);
  CHECK(must(world.devices.show(device_id(world.device.pair.key))).slots.size() == 2);
}

TEST_CASE("a board that had no room in the request stays in the inventory, one that is gone not") {
  EnrolledWorld world;
  auto request = world.device.request();
  for (const std::uint32_t slot : {0U, 3U, 63U}) SyncingDevice::add_board(request, slot);
  (void)world.device.exchange(world.sync, request);
  request = world.device.request();
  SyncingDevice::add_board(request, 0);
  request.set_unreported_slots(std::uint64_t{1} << 63 | 1U << 5);
  (void)world.device.exchange(world.sync, request);
  const auto slots = must(world.devices.show(device_id(world.device.pair.key))).slots;
  REQUIRE(slots.size() == 2);
  CHECK(slots[0].slot == 0);
  CHECK(slots[1].slot == 63);
  CHECK_FALSE(slots[1].hardware_id.empty());
}

TEST_CASE("a board without a driver is told why") {
  EnrolledWorld world;
  world.set_policy({world.entry(), world.entry("hat:Other:0001")});
  auto request = world.device.request();
  SyncingDevice::add_board(request, 0, "hat:Other:0001");
  SyncingDevice::add_board(request, 1, "hat:Nobody:0001");
  SyncingDevice::add_board(request, 2, "");
  const auto answer = world.device.exchange(world.sync, request);
  REQUIRE(answer.slots_size() == 3);
  CHECK(answer.slots(0).reason() == static_cast<std::uint32_t>(Errc::no_driver));
  CHECK(answer.slots(0).message() == "nothing is published for hat:Other:0001");
  CHECK(answer.slots(0).has_entry());
  CHECK(answer.slots(1).reason() == static_cast<std::uint32_t>(Errc::untrusted));
  CHECK_FALSE(answer.slots(1).has_entry());
  CHECK(answer.slots(2).reason() == static_cast<std::uint32_t>(Errc::no_driver));
  for (const auto& slot : answer.slots()) CHECK(slot.package_digest().empty());
}

TEST_CASE("a withdrawn package is not delivered, and whoever holds it is told to avoid it") {
  EnrolledWorld world;
  must(world.releases.set_withdrawn({test::hardware_id(), parse_version("1.4.0").value(), ""}, true,
                                    "test"));
  auto request = world.device.request();
  SyncingDevice::add_board(request).add_cached_digests(text_of(world.published.digest));
  const auto answer = world.device.exchange(world.sync, request);
  CHECK(answer.slots(0).package_digest().empty());
  CHECK(answer.slots(0).reason() == static_cast<std::uint32_t>(Errc::revoked));
  REQUIRE(answer.slots(0).avoid_digests_size() == 1);
  CHECK(answer.slots(0).avoid_digests(0) == text_of(world.published.digest));
}

TEST_CASE("A33 what is yanked is to be avoided also by who does not hold it yet") {
  EnrolledWorld world;
  must(world.publish({.version = "1.5.0", .release = 2}));
  const auto other = must(world.publish({.version = "1.5.0", .release = 2, .abi = "6.3-x64"}));
  const auto yank = [&](bool withdrawn) {
    must(world.releases.set_withdrawn({test::hardware_id(), parse_version("1.5.0").value(), ""},
                                      withdrawn, "test"));
    auto request = world.device.request();
    SyncingDevice::add_board(request);
    return world.device.exchange(world.sync, request);
  };
  const auto answer = yank(true);
  CHECK(answer.slots(0).package_digest() == text_of(world.published.digest));
  // Not the variant that this motherboard could never run.
  REQUIRE(answer.slots(0).avoid_digests_size() == 1);
  CHECK(answer.slots(0).avoid_digests(0) != text_of(other.items[0].variant.digest));
  CHECK(yank(false).slots(0).avoid_digests_size() == 0);
}

TEST_CASE(
    "A28 a request whose counter is not above the last changes nothing and is told the last") {
  EnrolledWorld world;
  auto request = world.device.request();
  request.set_counter(40);
  SyncingDevice::add_board(request);
  CHECK(status(world.device.exchange(world.sync, request)) == sync::Status::ok);
  request.clear_boards();
  for (const std::uint64_t counter : {40U, 39U, 1U}) {
    request.set_counter(counter);
    const auto answer = world.device.exchange(world.sync, request);
    CHECK(status(answer) == sync::Status::counter);
    CHECK(answer.last_counter() == 40);
    CHECK(answer.slots_size() == 0);
  }
  const auto detail = must(world.devices.show(device_id(world.device.pair.key)));
  CHECK(detail.slots.size() == 1);
  CHECK(detail.device.last_counter == 40);
  request.set_counter(41);
  CHECK(status(world.device.exchange(world.sync, request)) == sync::Status::ok);
}

TEST_CASE("a stranger is told so, sealed, and leaves no trace") {
  EnrolledWorld world;
  SyncingDevice stranger(world.server_key.public_key, 99);
  auto request = stranger.request();
  SyncingDevice::add_board(request);
  const auto answer = stranger.exchange(world.sync, request);
  CHECK(status(answer) == sync::Status::unknown_device);
  CHECK(answer.slots_size() == 0);
  CHECK(answer.head().empty());
  CHECK(must(world.devices.count()) == 1);
}

TEST_CASE("a one-time token enrolls one device") {
  EnrolledWorld world;
  const auto token = must(
      world.tokens.create({.name = "line-1", .scopes = Scopes::enroll, .uses_max = 1}, "test"));
  SyncingDevice first(world.server_key.public_key, 11);
  auto request = first.request();
  request.set_enroll_token(token.text);
  CHECK(status(first.exchange(world.sync, request)) == sync::Status::ok);
  // The answer was lost, the device asks again with the same token.
  request.set_counter(++first.counter);
  CHECK(status(first.exchange(world.sync, request)) == sync::Status::ok);
  CHECK(world.audit_count("device-enroll") == 2);  // `bench` and this one

  SyncingDevice second(world.server_key.public_key, 12);
  request = second.request();
  request.set_enroll_token(token.text);
  CHECK(status(second.exchange(world.sync, request)) == sync::Status::unknown_device);
  CHECK(must(world.devices.count()) == 2);
}

TEST_CASE("A38 a token of another scope enrolls nobody") {
  EnrolledWorld world;
  const auto token = must(world.tokens.create({.name = "a", .scopes = Scopes::admin}, "test"));
  SyncingDevice stranger(world.server_key.public_key, 12);
  auto request = stranger.request();
  request.set_enroll_token(token.text);
  CHECK(status(stranger.exchange(world.sync, request)) == sync::Status::unknown_device);
  CHECK(must(world.devices.count()) == 1);
}

TEST_CASE("a revoked device gets nothing") {
  EnrolledWorld world;
  must(world.devices.revoke(device_id(world.device.pair.key), "test"));
  auto request = world.device.request();
  SyncingDevice::add_board(request);
  const auto answer = world.device.exchange(world.sync, request);
  CHECK(status(answer) == sync::Status::revoked);
  CHECK(answer.slots_size() == 0);
}

TEST_CASE("a request to a key this server does not have is answered KEY_RETIRED in clear") {
  EnrolledWorld world;
  SyncingDevice device(make_exchange_key().public_key);
  test::Buffer bytes = device.seal(device.request());
  const auto result = must(world.sync.handle(bytes));
  const test::Buffer expected = {std::byte{kFormat}, std::byte{3}};
  CHECK(same_bytes(result.answer, expected));
}

TEST_CASE("A02 a damaged request is refused whatever bit is flipped") {
  EnrolledWorld world;
  auto request = world.device.request();
  SyncingDevice::add_board(request);
  const test::Buffer good = world.device.seal(request);
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 7) {
    test::Buffer bad = test::with_flipped_bit(good, bit);
    const auto result = world.sync.handle(bad);
    CAPTURE(bit);
    // A flipped server key ID is another server's; everything else fails.
    if (result) CHECK(result->answer.size() == 2);
  }
  CHECK(must(world.devices.show(device_id(world.device.pair.key))).device.last_counter == 0);
}

TEST_CASE("A30 what no agent would send is refused, sealed, and changes nothing") {
  EnrolledWorld world;
  auto request = world.device.request();
  SECTION("more boards than slots") {
    for (std::uint32_t i = 0; i < kBoardsPerSyncMax + 1; ++i) SyncingDevice::add_board(request, i);
  }
  SECTION("a slot number past the last") { SyncingDevice::add_board(request, 64); }
  SECTION("two boards in one slot") {
    SyncingDevice::add_board(request, 1);
    SyncingDevice::add_board(request, 1);
  }
  SECTION("a hardware ID that is none") { SyncingDevice::add_board(request, 0, "../../etc"); }
  SECTION("a digest of the wrong size") {
    SyncingDevice::add_board(request).set_eeprom_digest("short");
  }
  SECTION("a serial number that is too long") {
    SyncingDevice::add_board(request).set_serial(std::string(17, 'x'));
  }
  SECTION("too many events") {
    for (int i = 0; i < 65; ++i) request.add_events()->set_kind(5);
  }
  SECTION("an arch nobody assigned") { request.mutable_abi()->set_arch(99); }
  SECTION("no counter") { request.set_counter(0); }
  const auto answer = world.device.exchange(world.sync, request);
  CHECK(status(answer) == sync::Status::refused);
  CHECK_FALSE(answer.message().empty());
  CHECK(must(world.devices.show(device_id(world.device.pair.key))).device.last_seen_unix_s == 0);
}

TEST_CASE("an answer never exceeds what the device can take; it asks again for the rest") {
  EnrolledWorld world;
  std::vector<trust::PolicyEntry> entries;
  for (int i = 0; i < 20; ++i) {
    trust::PolicyEntry entry = world.entry("hat:V:000" + std::to_string(i));
    for (std::uint64_t d = 0; d < 16; ++d)
      entry.revoked_digests.push_back(test::random_fixed<Digest>(d));
    entries.push_back(entry);
  }
  world.set_policy(entries);
  auto request = world.device.request();
  for (std::uint32_t i = 0; i < 20; ++i)
    SyncingDevice::add_board(request, i, "hat:V:000" + std::to_string(i));
  request.set_answer_bytes_max(4096);
  std::size_t answered = 0;
  for (int round = 0; round < 20 && answered < 20; ++round) {
    const auto answer = world.device.exchange(world.sync, request);
    REQUIRE(status(answer) == sync::Status::ok);
    CHECK(world.device.answer_bytes.size() <= 4096);
    answered += static_cast<std::size_t>(answer.slots_size());
    CHECK(answer.more() == (answered < 20));
    for (const auto& slot : answer.slots())
      for (auto& board : *request.mutable_boards())
        if (board.slot() == slot.slot()) board.set_wants_answer(false);
    if (!answer.head().empty()) request.set_head_version(world.head_version);
    request.set_counter(++world.device.counter);
  }
  CHECK(answered == 20);
}

TEST_CASE("a device that can take next to nothing is refused, not answered in part") {
  EnrolledWorld world;
  auto request = world.device.request();
  SyncingDevice::add_board(request);
  for (const std::uint32_t size : {1U, 150U, 300U}) {
    request.set_answer_bytes_max(size);
    request.set_head_version(world.head_version);
    request.set_counter(++world.device.counter);
    CHECK(status(world.device.exchange(world.sync, request)) == sync::Status::refused);
  }
}

TEST_CASE("texts are cut to what a device reads") {
  EnrolledWorld world;
  const std::string longest = "hat:" + std::string(86, 'v') + ":00001";
  auto request = world.device.request();
  SyncingDevice::add_board(request, 0, longest);
  const auto answer = world.device.exchange(world.sync, request);
  CHECK(answer.slots(0).message().size() <= 160);
  CHECK(answer.message().size() <= 96);
}

TEST_CASE("events and changes of state are on record, repeated states are not") {
  EnrolledWorld world;
  auto request = world.device.request();
  v1::BoardReport& board = SyncingDevice::add_board(request);
  v1::Event& event = *request.add_events();
  event.set_kind(5);
  event.set_hardware_id(board.hardware_id());
  event.set_duration_ms(120);
  world.device.exchange(world.sync, request);
  CHECK(world.audit_count("board-loaded") == 1);
  const std::uint64_t since = world.clock.now;

  world.clock.now += 60;
  request = world.device.request();
  SyncingDevice::add_board(request);
  world.device.exchange(world.sync, request);
  auto detail = must(world.devices.show(device_id(world.device.pair.key)));
  CHECK(detail.slots[0].since_unix_s == since);
  CHECK(detail.device.last_seen_unix_s == world.clock.now);

  world.device.exchange(world.sync, world.device.request());
  detail = must(world.devices.show(device_id(world.device.pair.key)));
  CHECK(detail.slots.empty());
}

}  // namespace mpyd::server
