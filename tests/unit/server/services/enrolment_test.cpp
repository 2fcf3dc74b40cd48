// How devices come in, wait, are replaced and go: through real syncs.
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

struct FleetWorld : ServerWorld {
  FleetWorld() {
    set_policy({entry()});
    must(publish({}));
  }
  std::string token(std::uint32_t uses, bool approve = false) {
    return must(tokens.create({.name = "fleet",
                               .scopes = Scopes::enroll,
                               .expires_unix_s = clock.now + 1000,
                               .uses_max = uses,
                               .needs_approval = approve},
                              "test"))
        .text;
  }
  SyncingDevice device(std::uint64_t seed) { return SyncingDevice(server_key.public_key, seed); }
  v1::SyncAnswer contact(SyncingDevice& who, const std::string& enroll_token = {}) {
    auto request = who.request();
    request.set_enroll_token(enroll_token);
    SyncingDevice::add_board(request);
    return who.exchange(sync, request);
  }
  DeviceService::Detail shown(const SyncingDevice& who) {
    return must(devices.show(device_id(who.pair.key)));
  }
};

}  // namespace

TEST_CASE("A38 a fleet token enrols as many devices as it is good for, and then nobody") {
  FleetWorld world;
  const std::string token = world.token(2);
  auto a = world.device(1);
  auto b = world.device(2);
  auto c = world.device(3);
  CHECK(status(world.contact(a, token)) == sync::Status::ok);
  CHECK(status(world.contact(a, token)) == sync::Status::ok);  // the same device: the same use
  CHECK(status(world.contact(b, token)) == sync::Status::ok);
  const auto refused = world.contact(c, token);
  CHECK(status(refused) == sync::Status::unknown_device);
  CHECK(refused.message() == "the token 'fleet' was good for 2 uses and is used up");
  CHECK(refused.slots_size() == 0);
  CHECK(must(world.devices.count()) == 2);
  CHECK(world.shown(a).device.token_name == "fleet");
}

TEST_CASE("A38 an expired fleet token enrols nobody; those it enrolled go on") {
  FleetWorld world;
  const std::string token = world.token(2);
  auto a = world.device(1);
  CHECK(status(world.contact(a, token)) == sync::Status::ok);
  world.clock.now += 1000;
  auto b = world.device(2);
  CHECK(status(world.contact(b, token)) == sync::Status::unknown_device);
  CHECK(status(world.contact(a, token)) == sync::Status::ok);
}

TEST_CASE("a request that is refused takes no use of a token") {
  FleetWorld world;
  const std::string token = world.token(1);
  auto a = world.device(1);
  auto request = a.request();
  request.set_enroll_token(token);
  request.mutable_abi()->set_arch(99);
  CHECK(status(a.exchange(world.sync, request)) == sync::Status::refused);
  CHECK(must(world.tokens.list({}, 100)).items.front().uses == 0);
  auto b = world.device(2);
  CHECK(status(world.contact(b, token)) == sync::Status::ok);
}

TEST_CASE("a device that has to wait gets nothing until the operator approves it") {
  FleetWorld world;
  must(world.fleet_keys.make(1, "test"));
  const std::string token = world.token(5, true);
  auto a = world.device(1);
  for (int i = 0; i < 3; ++i) {
    const auto answer = world.contact(a, token);
    CHECK(status(answer) == sync::Status::not_approved);
    CHECK(answer.message().find("mpyd device approve") != std::string::npos);
    CHECK(answer.slots_size() == 0);
    CHECK(answer.fleet_keys_size() == 0);
    CHECK(answer.head().empty());
  }
  CHECK(must(world.tokens.list({}, 100)).items.front().uses == 1);
  CHECK(world.shown(a).device.state == DeviceState::waiting);
  CHECK(format_device_abi(world.shown(a).device.abi).view() == "6.3-armv7m");
  CHECK(world.shown(a).slots.empty());

  const std::string id = device_id(a.pair.key);
  must(world.devices.approve(id, "test"));
  must(world.devices.approve(id, "test"));
  CHECK(world.audit_count("device-approve") == 1);
  const auto answer = world.contact(a, token);
  CHECK(status(answer) == sync::Status::ok);
  CHECK_FALSE(answer.slots(0).package_digest().empty());
  CHECK(answer.fleet_keys_size() == 1);
}

TEST_CASE("A21 a waiting device that is revoked stays out, whatever token it brings") {
  FleetWorld world;
  const std::string token = world.token(5, true);
  auto a = world.device(1);
  world.contact(a, token);
  const std::string id = device_id(a.pair.key);
  must(world.devices.revoke(id, "test"));
  CHECK(status(world.contact(a, token)) == sync::Status::revoked);
  CHECK(world.devices.approve(id, "test").error().code == Errc::revoked);
  CHECK(must(world.tokens.list({}, 100)).items.front().uses == 1);
}

TEST_CASE("a new motherboard takes a dead one's name, and the dead one's key opens nothing") {
  FleetWorld world;
  auto old = world.device(1);
  auto next = world.device(2);
  auto third = world.device(3);
  must(world.devices.enroll(old.pair.key, "press-7", "test"));
  const std::string token = world.token(5, true);
  world.contact(next, token);
  world.contact(third, token);
  const std::string old_id = device_id(old.pair.key);
  const std::string next_id = device_id(next.pair.key);
  const std::string third_id = device_id(third.pair.key);

  CHECK(world.devices.replace(old_id, old_id, "test").error().code == Errc::invalid_argument);
  CHECK(must(world.devices.replace(old_id, next_id, "test")).name == "press-7");
  must(world.devices.replace(old_id, next_id, "test"));
  CHECK(world.devices.replace(old_id, third_id, "test").error().code == Errc::conflict);
  CHECK(world.devices.replace(third_id, old_id, "test").error().code == Errc::revoked);
  CHECK(world.audit_count("device-replaced") == 1);
  CHECK(world.audit_count("device-take-over") == 1);

  const auto told = world.contact(old);
  CHECK(status(told) == sync::Status::revoked);
  CHECK(told.message() == "another device took the place of this one");
  CHECK(status(world.contact(next)) == sync::Status::ok);
  CHECK(world.devices.enroll(old.pair.key, "again", "test").error().code == Errc::revoked);
}

TEST_CASE("enrolled devices get the fleet keys they lack, sealed, and strangers none") {
  FleetWorld world;
  must(world.fleet_keys.make(1, "test"));
  must(world.fleet_keys.make(2, "test"));
  auto a = world.device(1);
  must(world.devices.enroll(a.pair.key, "a", "test"));
  const auto answer = world.contact(a);
  REQUIRE(answer.fleet_keys_size() == 2);
  CHECK(answer.fleet_keys(0).generation() == 2);
  const auto secret = SecretKey::from(as_bytes(answer.fleet_keys(0).secret_key())).value();
  CHECK(crypto::x25519_public(secret) == world.fleet_keys.list().front().public_key);
  CHECK(as_text(a.answer_bytes).find(answer.fleet_keys(0).secret_key()) == std::string_view::npos);

  auto request = a.request();
  request.set_fleet_generation(2);
  CHECK(a.exchange(world.sync, request).fleet_keys_size() == 0);
  must(world.fleet_keys.make(3, "test"));
  request = a.request();
  request.set_fleet_generation(2);
  CHECK(a.exchange(world.sync, request).fleet_keys(0).generation() == 3);
  // A thief with the server's key told it of a generation that is far ahead.
  request = a.request();
  request.set_fleet_generation(0xffffffff);
  const auto mended = a.exchange(world.sync, request);
  REQUIRE(mended.fleet_keys_size() == 3);
  CHECK(mended.fleet_keys(0).generation() == 3);

  auto stranger = world.device(9);
  CHECK(world.contact(stranger).fleet_keys_size() == 0);
  must(world.devices.revoke(device_id(a.pair.key), "test"));
  CHECK(world.contact(a).fleet_keys_size() == 0);
}

TEST_CASE("every answer tells where the server is from now on, until that is cancelled") {
  FleetWorld world;
  auto a = world.device(1);
  must(world.devices.enroll(a.pair.key, "a", "test"));
  CHECK(world.contact(a).server_host().empty());
  must(world.place.move_to({"fd00::1", 8780}, "test"));
  const auto answer = world.contact(a);
  CHECK(answer.server_host() == "fd00::1");
  CHECK(answer.server_port() == 8780);
  ServerPlace again(*world.store, world.clock);
  must(again.load());
  REQUIRE(again.current());
  CHECK(again.current()->host == "fd00::1");
  CHECK(again.current()->port == 8780);
  must(world.place.cancel("test"));
  CHECK(world.contact(a).server_host().empty());
  for (const char* host : {"", "http://x", "a b"})
    CHECK(world.place.move_to({host, 1}, "test").error().code == Errc::invalid_argument);
}

TEST_CASE("an operator lifts a quarantine for a few answers, not for ever") {
  FleetWorld world;
  auto a = world.device(1);
  must(world.devices.enroll(a.pair.key, "a", "test"));
  const std::string id = device_id(a.pair.key);
  const auto report = [&](Errc error) {
    auto request = a.request();
    auto& board = SyncingDevice::add_board(request, 2);
    board.set_error(static_cast<std::uint32_t>(error));
    board.set_wants_answer(false);
    return a.exchange(world.sync, request);
  };
  report(Errc{});
  CHECK(world.devices.try_again(id, 2, "test").error().code == Errc::conflict);
  CHECK(world.devices.try_again(id, 5, "test").error().code == Errc::conflict);
  CHECK(report(Errc::quarantined).slots_size() == 0);
  REQUIRE(must(world.devices.list({})).items.front().troubled_slots.size() == 1);
  CHECK(must(world.devices.list({})).items.front().troubled_slots[0].slot == 2);

  must(world.devices.try_again(id, 2, "test"));
  for (int i = 0; i < 3; ++i) {
    const auto answer = report(Errc::quarantined);
    REQUIRE(answer.slots_size() == 1);
    CHECK(answer.slots(0).try_again());
  }
  CHECK(report(Errc::quarantined).slots_size() == 0);

  must(world.devices.try_again(id, 2, "test"));
  CHECK(report(Errc::quarantined).slots(0).try_again());
  report(Errc{});  // it runs again
  CHECK(report(Errc::quarantined).slots_size() == 0);
}

TEST_CASE("a try-again waits for a motherboard that is off, and for its word of the quarantine") {
  FleetWorld world;
  auto a = world.device(1);
  must(world.devices.enroll(a.pair.key, "a", "test"));
  const std::string id = device_id(a.pair.key);
  const auto report = [&](Errc error, std::string_view board_id, bool wants_answer) {
    auto request = a.request();
    auto& board = SyncingDevice::add_board(request, 2, board_id);
    board.set_error(static_cast<std::uint32_t>(error));
    board.set_wants_answer(wants_answer);
    return a.exchange(world.sync, request);
  };
  constexpr std::string_view kBoard = "hat:Meadow%20Instruments:0042";
  report(Errc::quarantined, kBoard, false);
  must(world.devices.try_again(id, 2, "test"));

  // It boots: nothing found yet, something found, identified. None of these can use the word.
  const auto pending = [&] { return world.shown(a).slots.at(0).is_retry_pending(); };
  a.exchange(world.sync, a.request());
  CHECK(pending());
  must(world.devices.try_again(id, 2, "test"));  // once more is no error
  report(Errc{}, "", false);
  CHECK(pending());
  for (int i = 0; i < 5; ++i) {
    const auto answer = report(Errc{}, kBoard, true);
    REQUIRE(answer.slots_size() == 1);
    CHECK_FALSE(answer.slots(0).package_digest().empty());
    CHECK_FALSE(answer.slots(0).try_again());
    CHECK(pending());
  }
  // Now it says so, and is told, three times at most.
  for (int i = 0; i < 3; ++i) {
    const auto answer = report(Errc::quarantined, kBoard, false);
    REQUIRE(answer.slots_size() == 1);
    CHECK(answer.slots(0).try_again());
    CHECK_FALSE(pending());
  }
  CHECK(report(Errc::quarantined, kBoard, false).slots_size() == 0);
}

TEST_CASE("a try-again is not spent on an answer without a package, nor on another board") {
  FleetWorld world;
  auto a = world.device(1);
  must(world.devices.enroll(a.pair.key, "a", "test"));
  const std::string id = device_id(a.pair.key);
  constexpr std::string_view kUnpublished = "hat:Meadow%20Instruments:0777";
  const auto report = [&](std::string_view board_id) {
    auto request = a.request();
    auto& board = SyncingDevice::add_board(request, 2, board_id);
    board.set_error(static_cast<std::uint32_t>(Errc::quarantined));
    board.set_wants_answer(false);
    return a.exchange(world.sync, request);
  };
  report(kUnpublished);
  must(world.devices.try_again(id, 2, "test"));
  for (int i = 0; i < 4; ++i) CHECK(report(kUnpublished).slots_size() == 0);
  CHECK(world.shown(a).slots.at(0).is_retry_pending());
  CHECK(report("hat:Meadow%20Instruments:0042").slots_size() == 0);
  CHECK(world.shown(a).slots.at(0).retries == 0);
}

TEST_CASE("a device refused for its token is in the audit log, once an hour and not too many") {
  FleetWorld world;
  const std::string token = world.token(1);
  auto first = world.device(1);
  auto late = world.device(2);
  world.contact(first, token);
  for (int i = 0; i < 3; ++i) world.contact(late, token);
  CHECK(world.audit_count("device-refused") == 1);
  const auto rows = must(world.store->get([](const Snapshot& s) { return s.audit().newest(1); }));
  CHECK(rows[0].event.actor == "token:fleet");
  CHECK(rows[0].event.subject == device_id(late.pair.key));
  CHECK(rows[0].event.detail.find("used up") != std::string::npos);
  world.clock.now += 3600;  // by now it has expired as well
  world.contact(late, token);
  CHECK(world.audit_count("device-refused") == 2);

  // Keys made up by the dozen, with a known token and with none that is known.
  for (std::uint64_t seed = 10; seed < 40; ++seed) {
    auto stranger = world.device(seed);
    world.contact(stranger, token);
    world.contact(stranger, "mpyd_unknown");
  }
  CHECK(world.audit_count("device-refused") == 1 + RefusedStrangers::kRowsPerHourMax);
}

}  // namespace mpyd::server
