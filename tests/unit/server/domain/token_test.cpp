#include "server/domain/token.hpp"

#include "tests/support/catch.hpp"

namespace mpyd::server {

TEST_CASE("scopes imply what they should and nothing else") {
  struct Row {
    const char* held;
    Scopes::Scope needed;
    bool allowed;
  };
  const Row rows[] = {
      {"read", Scopes::read, true},        {"read", Scopes::publish, false},
      {"read", Scopes::operate, false},    {"publish", Scopes::read, true},
      {"publish", Scopes::operate, false}, {"operate", Scopes::read, true},
      {"operate", Scopes::publish, false}, {"operate", Scopes::admin, false},
      {"admin", Scopes::publish, true},    {"admin", Scopes::operate, true},
      {"admin", Scopes::enroll, false},    {"enroll", Scopes::enroll, true},
      {"enroll", Scopes::read, false},     {"read publish", Scopes::publish, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.held, name(row.needed));
    CHECK(Scopes::parse(row.held)->allows(row.needed) == row.allowed);
  }
}

TEST_CASE("scopes are read back as they were written, and unknown ones are refused") {
  CHECK(Scopes::parse("publish read")->text() == "read publish");
  CHECK(Scopes::parse("root").error().code == Errc::invalid_argument);
  CHECK(Scopes::parse("").error().code == Errc::invalid_argument);
}

TEST_CASE("a token is not usable after its expiry or, if for one use, after it") {
  Token token{.name = "t", .expires_unix_s = 100, .uses_max = 1};
  CHECK(token.usable(99));
  CHECK(token.usable(100).error().code == Errc::unauthorised);
  token.uses = 1;
  CHECK(token.usable(60).error().code == Errc::unauthorised);
  token.uses_max = 0;
  CHECK(token.usable(60));
}

}  // namespace mpyd::server
