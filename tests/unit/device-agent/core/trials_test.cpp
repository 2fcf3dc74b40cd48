#include "device-agent/core/trials.hpp"

#include "tests/support/agent/fake_store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/keys.hpp"

namespace mpyd::test {
namespace {

using agent::Trials;

Digest digest(unsigned n) { return random_fixed<Digest>(n + 1); }

// A reset: what is in RAM is gone.
Trials restarted(FakeStore& store, std::string_view firmware = "firmware") {
  Trials trials(store);
  REQUIRE(trials.start(firmware));
  return trials;
}

TEST_CASE("a trial that runs when power fails counts once, one that ended does not") {
  FakeStore store;
  Trials first = restarted(store);
  REQUIRE(first.enter(digest(0)));
  REQUIRE(first.enter(digest(1)));
  first.leave(digest(1));
  for (int i = 0; i < 3; ++i) {
    const Trials next = restarted(store);
    CHECK(next.resets(digest(0)) == 1);  // it was not entered again
    CHECK(next.resets(digest(1)) == 0);
    CHECK_FALSE(next.is_any_running());
  }
}

TEST_CASE("the journal is bounded; running trials and quarantine are the last to be forgotten") {
  FakeStore store;
  for (unsigned reset = 0; reset < Trials::kResetsMax; ++reset) {
    Trials trials = restarted(store);
    REQUIRE(trials.enter(digest(0)));
  }
  Trials trials = restarted(store);
  REQUIRE(trials.is_quarantined(digest(0)));
  for (unsigned i = 1; i < Trials::kTrialsMax; ++i) REQUIRE(trials.enter(digest(i)));
  Trials later = restarted(store);
  REQUIRE(later.enter(digest(100)));  // in the place of a suspect
  CHECK(later.is_quarantined(digest(0)));
  for (unsigned i = 1; i < Trials::kTrialsMax; ++i) REQUIRE(later.enter(digest(i + 200)));
  CHECK_FALSE(later.has_room(digest(300)));
  CHECK(later.has_room(digest(201)));
  CHECK(later.enter(digest(300)).error() == Errc::limit);
}

TEST_CASE("the journal is written only when it changes") {
  FakeStore store;
  Trials trials = restarted(store);
  trials.leave(digest(1));
  trials.settle(digest(1), 5);
  trials.end_those_over(100, 10);
  CHECK(store.changes() == 0);
  REQUIRE(trials.enter(digest(0)));
  REQUIRE(trials.enter(digest(0)));
  CHECK(store.changes() == 1);
  trials.end_those_over(1'000'000, 10);  // attach() has not returned
  CHECK(store.changes() == 1);
  trials.settle(digest(0), 0xfffffff0);
  trials.end_those_over(0, 30);
  CHECK(store.changes() == 1);
  trials.end_those_over(0x0e, 30);
  CHECK(store.changes() == 2);
  CHECK_FALSE(trials.is_any_running());
}

TEST_CASE("a damaged journal accuses nobody, a newer one is refused") {
  FakeStore store;
  Trials first = restarted(store);
  REQUIRE(first.enter(digest(0)));
  Trials trials(store);
  SECTION("another firmware's") {
    REQUIRE(trials.start("another firmware"));
    CHECK(trials.resets(digest(0)) == 0);
  }
  SECTION("garbage") {
    store.files()["trials"] = Random(3).bytes(60);
    REQUIRE(trials.start("firmware"));
  }
  SECTION("too long") {
    store.files()["trials"] = Buffer(5000);
    REQUIRE(trials.start("firmware"));
  }
  SECTION("newer") {
    store.files()["trials"][1] = std::byte{9};
    CHECK(trials.start("firmware").error() == Errc::unsupported);
  }
  SECTION("unreadable for want of memory") {
    store.read_error = Errc::memory;
    CHECK(trials.start("firmware").error() == Errc::memory);
  }
  CHECK_FALSE(trials.is_any_running());
}

}  // namespace
}  // namespace mpyd::test
