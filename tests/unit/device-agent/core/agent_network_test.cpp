// Everything a network can do to a sync or a fetch: bounded, typed, and it passes.
#include "protocol/sync/box.hpp"
#include "tests/support/agent/world.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

constexpr std::string_view kSync = "/v1/device/sync";
constexpr std::string_view kPackage = "/v1/packages/";

struct Net : World {
  BuiltPackage package = driver_package(kThermoId, 1, 3000);
  Net() { server.decide(kThermoId, {.package = &package}); }
};

struct Trouble {
  const char* name;
  Errc error;
  std::function<void(HttpAnswer&)> spoil;
};

std::string length_of(const HttpAnswer& answer) {
  return "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
}

void break_after(HttpAnswer& answer, std::size_t bytes, bool stalls) {
  answer.break_after = bytes;
  answer.stalls_then = stalls;
}

const std::vector<Trouble>& troubles() {
  // A case is a row.
  // clang-format off
  static const std::vector<Trouble> table = {
      {"A14 the connection breaks before the answer", Errc::unreachable,
       [](HttpAnswer& a) { break_after(a, 0, false); }},
      {"A14 the connection breaks in the head", Errc::unreachable,
       [](HttpAnswer& a) { break_after(a, 20, false); }},
      {"A14 the connection breaks in the body", Errc::unreachable,
       [](HttpAnswer& a) { break_after(a, 120, false); }},
      {"A13 the answer stalls in the head", Errc::timeout,
       [](HttpAnswer& a) { break_after(a, 20, true); }},
      {"A13 the answer stalls in the body", Errc::timeout,
       [](HttpAnswer& a) { break_after(a, 120, true); }},
      {"A12 a Content-Length that is too small", Errc::malformed,
       [](HttpAnswer& a) { a.headers = "Content-Length: 30\r\n"; }},
      {"A12 a Content-Length that is too large", Errc::unreachable,
       [](HttpAnswer& a) {
         a.headers = length_of(a);
         a.body.pop_back();
       }},
      {"A12 a Content-Length of gigabytes", Errc::limit,
       [](HttpAnswer& a) { a.headers = "Content-Length: 999999999\r\n"; }},
      {"A12 a Content-Length beyond numbers", Errc::malformed,
       [](HttpAnswer& a) { a.headers = "Content-Length: 99999999999999999999\r\n"; }},
      {"A12 two lengths", Errc::malformed,
       [](HttpAnswer& a) { a.headers = length_of(a) + "Content-Length: 5\r\n"; }},
      {"A12 no length", Errc::malformed, [](HttpAnswer& a) { a.headers = "X-Nothing: 1\r\n"; }},
      {"A12 a chunked body that never ends", Errc::malformed,
       [](HttpAnswer& a) {
         a.headers = "Transfer-Encoding: chunked\r\n";
         a.is_endless = true;
       }},
      {"A12 bytes after the announced length", Errc::malformed,
       [](HttpAnswer& a) {
         a.headers = length_of(a);
         a.body.insert(a.body.end(), 100'000, std::byte{'x'});
       }},
      {"A12 a header that never ends", Errc::limit,
       [](HttpAnswer& a) { a.headers = std::string(20'000, 'x'); }},
      {"A12 headers that never end", Errc::limit,
       [](HttpAnswer& a) {
         for (int i = 0; i < 400; ++i) a.headers += "X-Header: value\r\n";
       }},
      {"503", Errc::unreachable, [](HttpAnswer& a) { a.status = 503; }},
      {"500", Errc::unreachable, [](HttpAnswer& a) { a.status = 500; }},
      {"A36 a redirection", Errc::unreachable,
       [](HttpAnswer& a) {
         a.status = 302;
         a.headers = "Location: http://elsewhere.example/\r\nContent-Length: 0\r\n";
         a.body.clear();
       }},
      {"404", Errc::not_found,
       [](HttpAnswer& a) {
         a.status = 404;
         a.body.clear();
       }},
  };
  // clang-format on
  return table;
}

TEST_CASE("trouble with a sync is bounded, has a reason, means offline, and passes") {
  for (const Trouble& trouble : troubles()) {
    DYNAMIC_SECTION(trouble.name) {
      Net world;
      world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
        if (path == kSync) trouble.spoil(answer);
      };
      world.boot();
      world.plug(0, thermo_image());
      const std::size_t bytes_before = world.server.bytes;
      REQUIRE(world.run_until([&] { return world.events.count(EventKind::offline) == 1; }, 6000));
      CHECK(world.events.last(EventKind::offline)->error == trouble.error);
      CHECK(world.events.last(EventKind::offline)->detail == describe(trouble.error));
      CHECK(world.server.bytes - bytes_before < 16'000);
      CHECK_FALSE(world.server.is_open());
      REQUIRE(world.run_until_state(0, SlotState::refused));
      CHECK(world.slot(0).error == Errc::unreachable);
      CHECK(world.loader.entered == 0);

      world.server.spoil = nullptr;
      REQUIRE(world.run_until_state(0, SlotState::running, 10'000));
    }
  }
}

TEST_CASE("trouble with a fetch is bounded, has a reason, leaves nothing, and passes") {
  for (const Trouble& trouble : troubles()) {
    DYNAMIC_SECTION(trouble.name) {
      Net world;
      world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
        if (path.starts_with(kPackage)) trouble.spoil(answer);
      };
      world.boot();
      world.plug(0, thermo_image());
      REQUIRE(world.run_until_state(0, SlotState::refused, 8000));
      const auto* offline = world.events.last(EventKind::offline);
      CHECK((offline != nullptr ? offline->error : world.slot(0).error) == trouble.error);
      CHECK(world.loader.entered == 0);
      CHECK_FALSE(world.store.has("p-"));
      CHECK_FALSE(world.store.is_begun());
      CHECK_FALSE(world.server.is_open());

      world.server.spoil = nullptr;
      REQUIRE(world.run_until_state(0, SlotState::running, 70'000));
    }
  }
}

TEST_CASE("A13 a fetch that drips is given up after its bound") {
  Net world;
  world.config.fetch_timeout_ms = 20'000;
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path.starts_with(kPackage)) answer.piece = 1;
  };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::fetching));
  // One byte every second poll, and two seconds between polls: never quite a stall.
  const std::uint32_t from = world.clock.ms;
  while (world.slot(0).state == SlotState::fetching && world.clock.ms - from < 200'000) {
    world.agent().poll();
    world.clock.ms += 2000;
  }
  CHECK(world.clock.ms - from < 30'000);
  CHECK(world.events.last(EventKind::offline)->error == Errc::timeout);
}

TEST_CASE("A12 of a body that never ends no more than its announced length is read") {
  Net world;
  world.server.spoil = [](const std::string&, HttpAnswer& answer) { answer.is_endless = true; };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.store.file("p-") == world.package.bytes);
  CHECK_FALSE(world.server.is_open());
}

TEST_CASE("answers in single bytes are as good as whole ones") {
  Net world;
  world.server.spoil = [](const std::string&, HttpAnswer& answer) { answer.piece = 1; };
  world.config.sync_timeout_ms = 60'000;
  world.boot();
  world.plug(0, thermo_image());
  CHECK(world.run_until_state(0, SlotState::running, 120'000));
}

TEST_CASE("A14 no server: nobody listens, or it never says a word") {
  Net world;
  SECTION("refused") { world.server.is_reachable = false; }
  SECTION("silent") { world.server.is_silent = true; }
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused, world.config.sync_timeout_ms + 1000));
  CHECK(world.slot(0).error == Errc::unreachable);
  CHECK(world.events.last(EventKind::refused)->detail ==
        "the server cannot be reached and no driver lies here");
  CHECK(world.events.count(EventKind::offline) == 1);
  world.server.is_reachable = true;
  world.server.is_silent = false;
  CHECK(world.run_until_state(0, SlotState::running, 40'000));
}

TEST_CASE("retries back off to a bound and start small again after success") {
  World world;
  world.server.is_silent = true;
  world.config.sync_timeout_ms = 10;
  world.boot();
  std::vector<std::uint32_t> starts;
  bool was_open = false;
  while (starts.size() < 10) {
    if (world.server.is_open() && !was_open) starts.push_back(world.clock.ms);
    was_open = world.server.is_open();
    world.clock.ms += world.agent().poll();
  }
  std::uint32_t expected = world.config.retry_min_ms;
  for (std::size_t i = 1; i < starts.size(); ++i) {
    const std::uint32_t gap = starts[i] - starts[i - 1];
    CHECK(gap >= expected);
    CHECK(gap < expected + 200);
    expected = std::min(expected * 2, world.config.retry_max_ms);
  }
  world.server.is_silent = false;
  REQUIRE(world.run_sync(40'000));
  world.server.is_reachable = false;
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::offline) == 2; }, 70'000));
  const std::uint32_t failed_ms = world.clock.ms;
  world.server.is_reachable = true;
  REQUIRE(world.run_sync(5000));
  CHECK(world.clock.ms - failed_ms < world.config.retry_min_ms + 500);
}

TEST_CASE("an unknown, revoked or refused device is told so and decides offline") {
  struct Case {
    sync::Status status;
    Errc error;
  };
  const auto c = GENERATE(Case{sync::Status::unknown_device, Errc::unknown_device},
                          Case{sync::Status::revoked, Errc::revoked},
                          Case{sync::Status::refused, Errc::forbidden});
  Net world;
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    answer.set_status(static_cast<std::uint32_t>(c.status));
  };
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.events.last(EventKind::offline)->error == c.error);
  CHECK(world.loader.entered == 0);
}

TEST_CASE("a package that can never be fetched is asked for ever more rarely") {
  Net world;
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path.starts_with(kPackage)) answer.status = 503;
  };
  world.boot();
  world.plug(0, thermo_image());
  world.run_ms(300'000);
  CHECK(world.server.count(kPackage) > 5);
  CHECK(world.server.count(kPackage) < 25);
  CHECK(world.server.count(kSync) < 40);
  world.server.spoil = nullptr;
  CHECK(world.run_until_state(0, SlotState::running, 40'000));
}

}  // namespace
}  // namespace mpyd::test
