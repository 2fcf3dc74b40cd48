#include "server/services/health_service.hpp"

#include <filesystem>

#include "server/util/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;

namespace {

class World : public test::ServerWorld {
 public:
  std::string unfit(const std::vector<HealthService::Unfit>& found) const {
    std::string out;
    for (const auto& each : found) out += std::string(each.check) + " ";
    return out;
  }
};

}  // namespace

TEST_CASE("a server that works is fit, and one that shuts down is not") {
  World world;
  CHECK(world.health.look().empty());
  CHECK(world.health.look_by_writing().empty());
  world.health.begin_shutdown();
  CHECK(world.unfit(world.health.look()) == "shutdown ");
}

TEST_CASE("a storage that failed at a write makes the server unfit until one succeeds") {
  World world;
  (void)world.store->write([](Transaction&) { return Result<void>(fail(Errc::conflict)); });
  CHECK(world.health.look().empty());
  (void)world.store->write([](Transaction&) { return Result<void>(fail(Errc::io)); });
  CHECK(world.unfit(world.health.look()) == "write ");
  world.health.write_again();
  CHECK(world.health.look().empty());
}

TEST_CASE("a write is tried once in ten seconds at most") {
  World world;
  const auto probe = [&] {
    return must(world.store->get(
                    [](const Snapshot& s) { return s.settings().find("write_probe_unix_s"); }))
        .value_or("");
  };
  world.health.look_by_writing();
  const std::string first = probe();
  CHECK(first == std::to_string(world.clock.now));
  world.clock.now += 9;
  world.health.look_by_writing();
  CHECK(probe() == first);
  world.clock.now += 1;
  world.health.look_by_writing();
  CHECK(probe() == std::to_string(world.clock.now));
}

TEST_CASE("a flood of probes is answered from memory, and one a second looks by writing") {
  World world;
  CHECK_FALSE(world.health.recall());
  for (int i = 0; i < 100; ++i) {
    const auto found = world.health.recall();  // also while the look by writing takes its time
    REQUIRE(found);
    CHECK(found->empty());
  }
  (void)world.store->write([](Transaction&) { return Result<void>(fail(Errc::io)); });
  CHECK(world.health.recall()->empty());
  ++world.clock.now;
  CHECK_FALSE(world.health.recall());
  CHECK(world.unfit(*world.health.recall()) == "write ");
  world.health.look_by_writing();
  CHECK(world.health.recall()->empty());
  // The end is told at once.
  world.health.begin_shutdown();
  CHECK(world.unfit(*world.health.recall()) == "shutdown ");
}

TEST_CASE("a key that the newest root does not name makes the server unfit") {
  World world;
  world.server_keys.replace(make_exchange_key());
  CHECK(world.unfit(world.health.look()) == "key ");
}

TEST_CASE("a data directory that is gone makes the server unfit") {
  World world;
  std::filesystem::remove_all(world.directory.path());
  CHECK(world.unfit(world.health.look()).starts_with("directory "));
}

TEST_CASE("the last backup's time is what its file says, or not known") {
  World world;
  CHECK(world.health.backup_unix_s() == 0);
  must(write_file(world.directory.file("last-backup"), as_bytes("1800000000"), 0600));
  CHECK(world.health.backup_unix_s() == 1'800'000'000);
  must(write_file(world.directory.file("last-backup"), as_bytes("never"), 0600));
  CHECK(world.health.backup_unix_s() == 0);
  CHECK(world.health.database_bytes() > 0);
}

}  // namespace mpyd::server
