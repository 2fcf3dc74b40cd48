#include "server/services/maintenance_service.hpp"

#include "server/services/census_service.hpp"
#include "server/services/request_memory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;

namespace {

void remember(ServerWorld& world, std::size_t count) {
  must(world.store->write([&](Transaction& tx) -> Result<void> {
    for (std::size_t i = 0; i < count; ++i)
      MPYD_TRY(tx.requests().put({.key = std::to_string(i), .time_unix_s = world.clock.now}));
    return {};
  }));
}

std::uint64_t remembered(ServerWorld& world) {
  return must(world.store->get([](const Snapshot& s) { return s.requests().usage(Digest{}); }))
      .count;
}

std::uint64_t tokens(ServerWorld& world) {
  return must(CensusService(*world.store).count()).tokens;
}

}  // namespace

TEST_CASE("answers to repeated requests are forgotten after a day, so many at a time") {
  ServerWorld world;
  MaintenanceService maintenance(*world.store, world.clock);
  remember(world, kForgottenPerRun + 1);
  CHECK_FALSE(must(maintenance.run()));
  CHECK(remembered(world) == kForgottenPerRun + 1);
  world.clock.now += kRequestRemembered_s + 1;
  CHECK(must(maintenance.run()));
  CHECK(remembered(world) == 1);
  CHECK_FALSE(must(maintenance.run()));
  CHECK(remembered(world) == 0);
  CHECK(maintenance.runs() == 3);
  CHECK(maintenance.forgotten_requests() == kForgottenPerRun + 1);
}

TEST_CASE("a token is forgotten long after it expired, and the audit log says so") {
  ServerWorld world;
  MaintenanceService maintenance(*world.store, world.clock);
  must(world.tokens.create(
      {.name = "short", .scopes = Scopes::read, .expires_unix_s = world.clock.now + 10}, "test"));
  must(world.tokens.create({.name = "ever", .scopes = Scopes::read}, "test"));
  world.clock.now += 10 + kExpiredTokenKept_s;
  must(maintenance.run());
  CHECK(tokens(world) == 2);
  world.clock.now += 1;
  must(maintenance.run());
  CHECK(tokens(world) == 1);
  CHECK(world.audit_count("token-forget") == 1);
  CHECK(maintenance.forgotten_tokens() == 1);
}

TEST_CASE("a run that fails is counted as one") {
  ServerWorld world;
  MaintenanceService maintenance(*world.store, world.clock);
  must(world.tokens.create(
      {.name = "short", .scopes = Scopes::read, .expires_unix_s = world.clock.now + 10}, "test"));
  world.clock.now += 11 + kExpiredTokenKept_s;
  JoinableStore::Guest refusing{
      .before = [](Transaction&) { return Result<void>(fail(Errc::io)); }};
  {
    const JoinableStore::Visit visit(*world.store, refusing);
    CHECK_FALSE(maintenance.run());
  }
  CHECK(maintenance.failures() == 1);
  CHECK(tokens(world) == 1);
}

}  // namespace mpyd::server
