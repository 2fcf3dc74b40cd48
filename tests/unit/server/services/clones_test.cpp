// One serial in two places at once: what raises the alarm, and what does not.
#include "protocol/sync/report.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/device.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;
using test::SyncingDevice;

namespace {

struct CloneWorld : ServerWorld {
  CloneWorld() {
    set_policy({entry()});
    for (SyncingDevice* each : {&a, &b, &c}) must(devices.enroll(each->pair.key, "", "test"));
  }
  struct Seen {
    std::uint32_t slot = 0;
    std::string serial = "\x01\x02";
    std::string hardware_id = "hat:Meadow%20Instruments:0042";
  };
  // A sync a second after the last one, with these boards.
  void report(SyncingDevice& device, const std::vector<Seen>& boards,
              std::optional<sync::EventKind> event = {}) {
    ++clock.now;
    report_now(device, boards, event);
  }
  void report_now(SyncingDevice& device, const std::vector<Seen>& boards,
                  std::optional<sync::EventKind> event = {},
                  sync::SlotState state = sync::SlotState::running) {
    auto request = device.request();
    for (const Seen& seen : boards) {
      v1::BoardReport& board = SyncingDevice::add_board(request, seen.slot, seen.hardware_id);
      board.set_serial(seen.serial);
      board.set_state(static_cast<std::uint32_t>(state));
      if (event) {
        v1::Event& e = *request.add_events();
        e.set_kind(static_cast<std::uint32_t>(*event));
        e.set_slot(seen.slot);
      }
    }
    (void)device.exchange(sync, request);
  }
  std::size_t clones(const SyncingDevice& device) {
    return must(devices.show(device_id(device.pair.key))).clones.size();
  }
  // Of the devices that are listed with a cloned board.
  std::size_t listed() {
    std::size_t out = 0;
    for (const auto& each : must(devices.list({})).items) out += each.cloned_slots.empty() ? 0 : 1;
    return out;
  }

  SyncingDevice a{server_key.public_key, 1};
  SyncingDevice b{server_key.public_key, 2};
  SyncingDevice c{server_key.public_key, 3};
};

}  // namespace

TEST_CASE("A24 one serial on two motherboards at once is an alarm for both, until one is pulled") {
  CloneWorld world;
  world.report(world.a, {{}});
  world.report(world.b, {{.slot = 3}});
  CHECK(world.listed() == 0);  // it may have been moved
  world.report(world.a, {{}});
  CHECK(world.listed() == 2);
  const auto detail = must(world.devices.show(device_id(world.a.pair.key)));
  REQUIRE(detail.clones.size() == 1);
  CHECK(detail.clones[0].slot == 0);
  CHECK(detail.clones[0].other.device_id == device_id(world.b.pair.key));
  CHECK(detail.clones[0].other.slot == 3);
  CHECK(world.audit_count("board-cloned") == 1);

  world.report(world.b, {});
  CHECK(world.listed() == 0);
  CHECK(world.clones(world.a) == 0);
}

TEST_CASE("A24 a board that is moved is no clone, in whatever order the motherboards report") {
  CloneWorld world;
  world.report(world.a, {{}});
  world.report(world.a, {{}});
  world.report(world.b, {{}});  // a was slow, or is off for ever
  world.report(world.b, {{}});
  CHECK(world.listed() == 0);
  world.report(world.a, {{}}, sync::EventKind::plugged);  // and back, before b said so
  CHECK(world.listed() == 0);
  world.report(world.b, {{}}, sync::EventKind::removed);  // and there, again
  CHECK(world.listed() == 0);
  CHECK(world.audit_count("board-cloned") == 0);
}

TEST_CASE(
    "A24 a motherboard that was off and found the board again says nothing of the time between") {
  for (const auto& [event, state] :
       {std::pair{std::optional<sync::EventKind>(), sync::SlotState::waiting},
        std::pair{std::optional(sync::EventKind::loaded), sync::SlotState::running}}) {
    CloneWorld world;
    world.report(world.a, {{}});
    world.report(world.b, {{}});
    ++world.clock.now;
    world.report_now(world.a, {{}}, event, state);
    CHECK(world.listed() == 0);
    world.report(world.b, {{}});  // but now both have it
    CHECK(world.listed() == 2);
  }
}

TEST_CASE("A24 a board moved within a second is no clone") {
  CloneWorld world;
  world.report(world.a, {{}});
  world.report(world.a, {{}});
  world.report_now(world.b, {{}});
  world.report(world.b, {{}});
  CHECK(world.listed() == 0);
}

TEST_CASE(
    "A24 two slots of one motherboard with one serial are an alarm, a move between them none") {
  CloneWorld world;
  world.report(world.a, {{.slot = 0}});
  world.report(world.a, {{.slot = 0}, {.slot = 1}});  // the old slot is noticed a moment later
  CHECK(world.audit_count("board-cloned") == 0);
  world.report(world.a, {{.slot = 1}});
  CHECK(world.listed() == 0);
  world.report(world.a, {{.slot = 0}, {.slot = 1}});
  world.report(world.a, {{.slot = 0}, {.slot = 1}});
  world.report(world.a, {{.slot = 0}, {.slot = 1}});
  CHECK(world.clones(world.a) == 2);
  CHECK(world.audit_count("board-cloned") == 1);
}

TEST_CASE("A24 boards without a serial, of another kind or of devices that are out are no clones") {
  CloneWorld world;
  const auto both = [&](const CloneWorld::Seen& first, const CloneWorld::Seen& second) {
    for (int i = 0; i < 2; ++i) {
      world.report(world.a, {first});
      world.report(world.b, {second});
    }
    return world.listed();
  };
  CHECK(both({.serial = ""}, {.serial = ""}) == 0);
  CHECK(both({.hardware_id = "hat:Other:0001"}, {}) == 0);
  CHECK(both({.serial = "\x01"}, {.serial = "\x02"}) == 0);
  CHECK(both({}, {}) == 2);
  must(world.devices.revoke(device_id(world.b.pair.key), "test"));
  CHECK(world.listed() == 0);
  CHECK(world.clones(world.a) == 0);
}

TEST_CASE("A24 each pair of motherboards is one row of the audit log a day") {
  CloneWorld world;
  for (int i = 0; i < 5; ++i)
    for (SyncingDevice* each : {&world.a, &world.b, &world.c}) world.report(*each, {{}});
  CHECK(world.audit_count("board-cloned") == 3);
  world.clock.now += kCloneAlarmEvery_s + 1;
  for (SyncingDevice* each : {&world.a, &world.b, &world.c}) world.report(*each, {{}});
  CHECK(world.audit_count("board-cloned") == 6);
}

}  // namespace mpyd::server
