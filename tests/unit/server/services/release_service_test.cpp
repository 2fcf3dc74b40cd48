#include "server/services/release_service.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;

namespace {

struct PublishedWorld : ServerWorld {
  PublishedWorld() {
    set_policy({entry()});
    must(publish({}));
  }
  Result<bool> deprecate(const std::string& message) {
    return releases.set_deprecated(test::hardware_id(), version, message, "test");
  }
  Explanation explain() {
    return must(resolve.explain({test::hardware_id(), 3, parse_device_abi("6.3-armv7m").value()}));
  }
  VersionText version = parse_version("1.4.0").value();
};

}  // namespace

TEST_CASE("a deprecated release is chosen as before, and everybody is told why to take another") {
  PublishedWorld world;
  CHECK(must(world.deprecate("use 2.0.0")));
  CHECK_FALSE(must(world.deprecate("use 2.0.0")));
  CHECK(must(world.releases.show(test::hardware_id(), world.version)).deprecated == "use 2.0.0");
  const auto chosen = world.explain().resolution.chosen;
  REQUIRE(chosen);
  CHECK(chosen->deprecated == "use 2.0.0");
  CHECK(must(world.publish({.abi = "6-any"})).release.deprecated == "use 2.0.0");
  CHECK(must(world.deprecate("")));
  CHECK(world.explain().resolution.chosen->deprecated.empty());
  CHECK(world.audit_count("deprecate") == 1);
  CHECK(world.audit_count("undeprecate") == 1);
}

TEST_CASE("a deprecation is one bounded line about something that is published") {
  PublishedWorld world;
  const auto code = [&](const std::string& message) {
    return world.deprecate(message).error().code;
  };
  for (const char* const bad : {"two\nlines", "c1 \xc2\x9b", "turned \xe2\x80\xae", "\xff"})
    CHECK(code(bad) == Errc::invalid_argument);
  CHECK(code(std::string(ReleaseService::kDeprecationCharsMax + 1, 'x')) == Errc::invalid_argument);
  world.version = parse_version("9.9.9").value();
  CHECK(code("x") == Errc::not_found);
}

}  // namespace mpyd::server
