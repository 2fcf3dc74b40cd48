// One release for one motherboard.
#include "tests/support/catch.hpp"
#include "tests/support/server/device.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;
using test::SyncingDevice;

namespace {

// Releases 1 and 2 of one board, and two motherboards that could have both.
struct PinWorld : ServerWorld {
  PinWorld() {
    set_policy({entry()});
    one = must(publish({})).items[0].variant.digest;
    two = must(publish({.version = "1.5.0", .release = 2})).items[0].variant.digest;
    must(devices.enroll(device.pair.key, "bench", "test"));
    must(devices.enroll(other.pair.key, "other", "test"));
    id = device_id(device.pair.key);
  }
  void pin(std::uint32_t release) {
    must(devices.pin(id, {.hardware_id = test::hardware_id(), .release = release}, "test"));
    resolve.releases_changed();
  }
  Errc pin_error(const DeviceService::PinRequest& request) {
    return devices.pin(id, request, "test").error().code;
  }
  v1::SlotAnswer answer_to(SyncingDevice& asking) {
    auto request = asking.request();
    SyncingDevice::add_board(request);
    return asking.exchange(sync, request).slots(0);
  }

  Digest one;
  Digest two;
  SyncingDevice device{server_key.public_key, 1};
  SyncingDevice other{server_key.public_key, 2};
  std::string id;
};

std::string text_of(const Digest& digest) { return std::string(as_text(digest.bytes())); }

}  // namespace

TEST_CASE("a pinned motherboard gets its release, every other one the newest") {
  PinWorld world;
  CHECK(world.answer_to(world.device).package_digest() == text_of(world.two));
  world.pin(1);
  const auto answer = world.answer_to(world.device);
  CHECK(answer.package_digest() == text_of(world.one));
  CHECK(answer.message() ==
        "thermo 1.4.0 for 6.3-armv7m is release 1, to which this motherboard is pinned");
  CHECK(world.answer_to(world.other).package_digest() == text_of(world.two));
  must(world.devices.unpin(world.id, test::hardware_id(), "test"));
  world.resolve.releases_changed();
  CHECK(world.answer_to(world.device).package_digest() == text_of(world.two));
  CHECK(world.audit_count("device-pin") == 1);
  CHECK(world.audit_count("device-unpin") == 1);
}

TEST_CASE("A06 a pin lifts no floor") {
  PinWorld world;
  world.pin(1);
  auto entry = world.entry();
  entry.floor_release = 2;
  world.set_policy({entry});
  const auto answer = world.answer_to(world.device);
  CHECK(answer.package_digest().empty());
  CHECK(answer.reason() == static_cast<std::uint32_t>(Errc::rollback));
  CHECK(answer.message().find("pinned to release 1") != std::string::npos);
}

TEST_CASE("A33 a pin gives no yanked release") {
  PinWorld world;
  world.pin(1);
  must(world.releases.set_withdrawn({test::hardware_id(), parse_version("1.4.0").value(), ""}, true,
                                    "test"));
  CHECK(world.answer_to(world.device).reason() == static_cast<std::uint32_t>(Errc::revoked));
  CHECK(world.pin_error({.hardware_id = test::hardware_id(), .release = 1}) == Errc::conflict);
}

TEST_CASE("pins name what is there, by number or version, and are bounded") {
  PinWorld world;
  CHECK(world.pin_error({.hardware_id = test::hardware_id(), .release = 9}) == Errc::not_found);
  CHECK(world.pin_error({.hardware_id = test::hardware_id("hat:Other:1"), .release = 1}) ==
        Errc::not_found);
  CHECK(world.devices.pin("nobody", {.hardware_id = test::hardware_id(), .release = 1}, "test")
            .error()
            .code == Errc::not_found);
  CHECK(world.devices.unpin(world.id, test::hardware_id(), "test").error().code == Errc::not_found);
  const DeviceService::PinRequest by_version{.hardware_id = test::hardware_id(),
                                             .version = parse_version("1.5.0").value()};
  CHECK(must(world.devices.pin(world.id, by_version, "test")).release == 2);
  CHECK(must(world.devices.pin(world.id, by_version, "test")).release == 2);
  CHECK(world.audit_count("device-pin") == 1);
  must(world.store->write([&](Transaction& tx) -> Result<void> {
    for (std::size_t i = 1; i < kPinsPerDeviceMax; ++i)
      MPYD_TRY(tx.devices().put_pin({world.id, "hat:Many:" + std::to_string(i), 1, 5}));
    MPYD_TRY(tx.devices().remove_pin(world.id, test::hardware_id().view()));
    return {};
  }));
  must(world.store->write([&](Transaction& tx) {
    return tx.devices().put_pin({world.id, "hat:Many:0", 1, 5});
  }));
  CHECK(world.pin_error(by_version) == Errc::limit);
}

TEST_CASE("whoever takes a motherboard's place takes its pins") {
  PinWorld world;
  world.pin(1);
  must(world.devices.replace(world.id, device_id(world.other.pair.key), "test"));
  world.resolve.releases_changed();
  CHECK(world.answer_to(world.other).package_digest() == text_of(world.one));
}

}  // namespace mpyd::server
