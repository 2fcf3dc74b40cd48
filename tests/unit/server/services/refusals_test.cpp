// What devices report of refusals, and how little a hostile one can do with its reports.
#include "server/services/sync_inventory.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/server/device.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;
using test::SyncingDevice;

namespace {

struct ReportingWorld : ServerWorld {
  ReportingWorld() {
    set_policy({entry()});
    must(publish({}));
    must(devices.enroll(device.pair.key, "bench", "test"));
  }
  v1::SyncRequest report(Errc error) {
    auto request = device.request();
    SyncingDevice::add_board(request).set_error(static_cast<std::uint32_t>(error));
    return request;
  }
  Device shown() { return must(devices.show(device_id(device.pair.key))).device; }
  SyncingDevice device{server_key.public_key};
};

v1::SyncRequest& with_events(v1::SyncRequest& request, int count) {
  for (int i = 0; i < count; ++i) {
    request.add_events()->set_kind(6);
    request.mutable_events(i)->set_error(static_cast<std::uint32_t>(Errc::bad_signature));
  }
  return request;
}

}  // namespace

TEST_CASE("reports with a refusal by trust are counted in a row, others end the row") {
  ReportingWorld world;
  const auto send = [&](Errc error) { world.device.exchange(world.sync, world.report(error)); };
  for (const Errc error : {Errc::bad_signature, Errc::rollback, Errc::quarantined}) send(error);
  CHECK(world.shown().refusals == kRefusalsOfTrouble);
  send(Errc::driver_error);  // bad luck, but no refusal
  CHECK(world.shown().refusals == 0);
  for (const Errc error : {Errc::threshold, Errc::bad_digest, Errc::decryption, Errc::untrusted,
                           Errc::revoked, Errc::expired, Errc::equivocation, Errc::replayed})
    send(error);
  CHECK(world.shown().refusals == 8);
}

TEST_CASE("a slot whose driver fails, or is refused by trust, is trouble at the first report") {
  ReportingWorld world;
  for (const Errc error : {Errc::driver_error, Errc::load_error, Errc::memory, Errc::bad_signature,
                           Errc::quarantined, Errc::power}) {
    world.device.exchange(world.sync, world.report(error));
    const auto listed = must(world.devices.list({})).items.front().troubled_slots;
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].slot == 0);
    CHECK(listed[0].error == static_cast<std::uint32_t>(error));
  }
  for (const Errc error : {Errc{}, Errc::no_driver}) {
    world.device.exchange(world.sync, world.report(error));
    CHECK(must(world.devices.list({})).items.front().troubled_slots.empty());
  }
}

TEST_CASE("a refusal stands in the audit log under its name") {
  ReportingWorld world;
  auto request = world.report(Errc::bad_signature);
  world.device.exchange(world.sync, with_events(request, 1));
  const auto rows =
      must(world.store->get([](const Snapshot& s) { return s.audit().list(0, 1000); }));
  CHECK(rows.back().event.action == "board-refused");
  CHECK(rows.back().event.detail.find(R"("error":"bad_signature")") != std::string::npos);
}

TEST_CASE("A28 a replayed report changes neither inventory nor refusals nor the audit log") {
  ReportingWorld world;
  auto request = world.report(Errc::bad_signature);
  const auto sealed = world.device.seal(with_events(request, 2));
  test::Buffer once = sealed;
  must(world.sync.handle(once));
  const auto rows = world.audit_count("board-refused");
  world.device.exchange(world.sync, world.report(Errc{}));  // all is well again
  const auto before = must(world.devices.show(device_id(world.device.pair.key)));
  for (int i = 0; i < 5; ++i) {
    test::Buffer again = sealed;
    const auto result = must(world.sync.handle(again));
    CHECK(result.status == sync::Status::counter);
  }
  const auto after = must(world.devices.show(device_id(world.device.pair.key)));
  CHECK(after.device.refusals == 0);
  CHECK(after.device.last_counter == before.device.last_counter);
  CHECK(after.slots[0].error == 0);
  CHECK(world.audit_count("board-refused") == rows);
}

TEST_CASE("A41 a hostile device fills the audit log to a bound per hour, and is told on") {
  ReportingWorld world;
  for (int i = 0; i < 10; ++i) {
    auto request = world.report(Errc{});
    world.device.exchange(world.sync, with_events(request, 64));
  }
  CHECK(world.audit_count("board-refused") == kEventRowsPerHourMax);
  CHECK(world.shown().event_drops == 640 - kEventRowsPerHourMax);
  CHECK(world.audit_count("board-events-dropped") == 0);

  world.clock.now += 3600;
  auto request = world.report(Errc{});
  world.device.exchange(world.sync, with_events(request, 1));
  CHECK(world.audit_count("board-events-dropped") == 1);
  CHECK(world.audit_count("board-refused") == kEventRowsPerHourMax + 1);
  CHECK(world.shown().event_drops == 0);
}

}  // namespace mpyd::server
