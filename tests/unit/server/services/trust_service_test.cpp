#include "server/services/trust_service.hpp"

#include "protocol/trust/verify.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;

namespace {

struct Signed {
  ByteVector head;
  std::vector<ByteVector> entries;
};

Signed targets(ServerWorld& world, const trust::TargetsHead& head,
               const std::vector<trust::PolicyEntry>& entries) {
  EntrySet set;
  for (const trust::PolicyEntry& e : entries) must(set.put(e));
  return {world.sign_targets(head, set), ServerWorld::bytes_of(set)};
}

Errc refusal(ServerWorld& world, const Signed& s) {
  const auto done = world.trust.replace_targets(s.head, s.entries, "test");
  return done ? Errc{} : done.error().code;
}

}  // namespace

TEST_CASE("new targets are in force at once, after a restart too, and prove their entries") {
  ServerWorld world;
  world.set_policy(
      {world.entry("hat:a:0001"), world.entry("hat:b:0001"), world.entry("hat:c:0001")});
  TrustService restarted(*world.store, world.clock);
  must(restarted.load());
  for (const TrustService* service : {&world.trust, &restarted}) {
    const auto view = service->view();
    REQUIRE(view->head());
    CHECK(view->entries().size() == 3);
    for (const char* id : {"hat:a:0001", "hat:b:0001", "hat:c:0001"}) {
      const ByteVector bytes = must(view->proof(test::hardware_id(id)));
      const auto proof = trust::parse_proof(bytes).value();
      CHECK(trust::verify_entry(*view->head(), proof, test::hardware_id(id)));
    }
    CHECK(view->proof(test::hardware_id("hat:d:0001")).error().code == Errc::not_found);
  }
}

TEST_CASE("targets that do not hold are refused and change nothing") {
  ServerWorld world;
  world.set_policy({world.entry("hat:a:0001")});
  world.set_policy({world.entry("hat:a:0001"), world.entry("hat:b:0001")});
  const auto before = world.trust.view();
  const trust::TargetsHead next{.epoch = 1, .version = 3, .expires_unix_s = world.clock.now + 9};
  Signed good = targets(world, next, {world.entry("hat:c:0001")});

  SECTION("A06 an older version") {
    CHECK(refusal(world, targets(world, {.epoch = 1, .version = 1}, {})) == Errc::rollback);
  }
  SECTION("A08 the version in force with other content") {
    CHECK(refusal(world, targets(world, {.epoch = 1, .version = 2}, {})) == Errc::equivocation);
  }
  SECTION("another epoch than the root's") {
    CHECK(refusal(world, targets(world, {.epoch = 2, .version = 3}, {})) == Errc::rollback);
  }
  SECTION("A09 an expired head") {
    CHECK(
        refusal(world, targets(world, {.epoch = 1, .version = 3, .expires_unix_s = world.clock.now},
                               {})) == Errc::expired);
  }
  SECTION("A05 a head signed by another role") {
    const SigningKeyPair* signer = &world.publisher_key;
    good.head = must(sign_head(next, EntrySet{}, {&signer, 1}));
    good.entries.clear();
    CHECK(refusal(world, good) == Errc::bad_signature);
  }
  SECTION("A15 entries that are not those signed") {
    good.entries = {must(format_entry(world.entry("hat:d:0001")))};
    CHECK(refusal(world, good) == Errc::bad_digest);
    good.entries.clear();
    CHECK(refusal(world, good) == Errc::bad_digest);
  }
  CHECK(world.trust.view() == before);
}

TEST_CASE("the same targets again are a success") {
  ServerWorld world;
  const Signed s = targets(world, {.epoch = 1, .version = 4}, {world.entry()});
  CHECK(refusal(world, s) == Errc{});
  CHECK(refusal(world, s) == Errc{});
  CHECK(world.audit_count("targets") == 1);
}

TEST_CASE("a head that expired is told") {
  ServerWorld world;
  CHECK_FALSE(world.trust.expired_unix_s());
  world.set_policy({world.entry()});
  const std::uint64_t end = world.trust.view()->head()->expires_unix_s;
  world.clock.now = end - 1;
  CHECK_FALSE(world.trust.expired_unix_s());
  world.clock.now = end;
  CHECK(world.trust.expired_unix_s() == end);
}

}  // namespace mpyd::server
