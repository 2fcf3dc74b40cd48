#include "server/http/crowd.hpp"

#include <vector>

#include "tests/support/catch.hpp"

namespace mpyd::server::http {
namespace {

class FakeSession final : public Session {
 public:
  void close_if_idle() override {}
  void evict() override {}
};

}  // namespace

TEST_CASE("a budget holds over all leases, and what was leased comes back") {
  ByteBudget budget{.max = 100};
  ByteLease first(budget);
  CHECK(first.resize(70));
  {
    ByteLease second(budget);
    CHECK_FALSE(second.resize(31));
    CHECK(second.resize(30));
    CHECK_FALSE(first.resize(71));
    CHECK(first.resize(10));
    CHECK(second.resize(90));
    CHECK(budget.used == 100);
  }
  CHECK(budget.used == 10);
  CHECK_FALSE(first.resize(101));
  CHECK_FALSE(first.resize(static_cast<std::size_t>(-1)));
  CHECK(budget.used == 10);
}

TEST_CASE("A12 one owner holds half of a budget at most, over all leases of theirs") {
  ByteBudget budget{.max = 100};
  {
    ByteLease first(budget, "token:a");
    ByteLease second(budget, "token:a");
    ByteLease other(budget, "token:b");
    CHECK(first.resize(30));
    CHECK_FALSE(second.resize(21));
    CHECK(second.is_share_exhausted());
    CHECK(second.resize(20));
    CHECK_FALSE(first.resize(31));
    CHECK(other.resize(50));
    CHECK(first.resize(10));
    CHECK_FALSE(first.resize(static_cast<std::size_t>(-1)));
    CHECK(first.resize(30));
    ByteLease third(budget, "token:c");
    CHECK_FALSE(third.resize(1));
    CHECK_FALSE(third.is_share_exhausted());
    // Whoever gives back to be told so still knows why.
    CHECK_FALSE(second.resize(21));
    CHECK(second.resize(0));
    CHECK(second.is_share_exhausted());
    // Nobody by name: no share.
    ByteLease nameless(budget);
    CHECK(nameless.resize(20));
  }
  CHECK(budget.used == 0);
  CHECK(budget.by_owner.empty());
}

TEST_CASE("who waits longest stands first; entering twice keeps the place, leaving gives it up") {
  WaitingLine line;
  FakeSession a, b;
  PlaceInLine place_a(line);
  {
    PlaceInLine place_b(line);
    place_a.enter(a);
    place_b.enter(b);
    place_a.enter(a);
    CHECK(line == WaitingLine{&a, &b});
    place_a.leave();
    place_a.leave();
    place_a.enter(a);
    CHECK(line == WaitingLine{&b, &a});
  }
  CHECK(line == WaitingLine{&a});
}

}  // namespace mpyd::server::http
