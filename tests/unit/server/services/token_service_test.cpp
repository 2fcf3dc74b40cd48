#include "server/services/token_service.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;

TEST_CASE("a token authorises what its scopes allow, under its name") {
  ServerWorld world;
  const auto made = must(world.tokens.create({.name = "ci", .scopes = Scopes::publish}, "test"));
  CHECK(made.text.size() <= 64);
  CHECK(must(world.tokens.authorise(made.text, Scopes::publish)).name == "ci");
  CHECK(world.tokens.authorise(made.text, Scopes::admin).error().code == Errc::forbidden);
  CHECK(world.tokens.authorise(made.text + "x", Scopes::read).error().code == Errc::unauthorised);
  CHECK(world.tokens.authorise("", Scopes::read).error().code == Errc::unauthorised);
}

TEST_CASE("A38 expired, used up and revoked tokens authorise nothing") {
  ServerWorld world;
  const auto expiring = must(world.tokens.create(
      {.name = "short", .scopes = Scopes::read, .expires_unix_s = world.clock.now + 10}, "test"));
  const auto single =
      must(world.tokens.create({.name = "once", .scopes = Scopes::read, .uses_max = 1}, "test"));
  const auto revoked = must(world.tokens.create({.name = "gone", .scopes = Scopes::read}, "test"));
  must(world.tokens.revoke("gone", "test"));
  must(world.tokens.spend(must(world.tokens.authorise(single.text, Scopes::read))));
  CHECK(world.tokens.authorise(expiring.text, Scopes::read));
  world.clock.now += 10;
  for (const std::string& text : {expiring.text, single.text, revoked.text})
    CHECK(world.tokens.authorise(text, Scopes::read).error().code == Errc::unauthorised);
}

TEST_CASE("the last token that rules a server is not revoked") {
  ServerWorld world;
  const Scopes admin = Scopes::admin;
  const auto ends = world.clock.now + 10;
  must(world.tokens.create({.name = "first", .scopes = admin}, "test"));
  must(world.tokens.create({.name = "reader", .scopes = Scopes::read}, "test"));
  must(world.tokens.create({.name = "second", .scopes = admin, .expires_unix_s = ends}, "test"));
  must(world.tokens.revoke("first", "test"));
  CHECK(world.tokens.revoke("second", "test").error().code == Errc::conflict);
  must(world.tokens.revoke("reader", "test"));
  must(world.tokens.create({.name = "third", .scopes = admin}, "test"));
  world.clock.now += 10;
  CHECK(world.tokens.revoke("third", "test").error().code == Errc::conflict);
  must(world.tokens.revoke("second", "test"));  // rules nothing any more
}

TEST_CASE("whose a token is can be told for the log, also where it may not") {
  ServerWorld world;
  const auto made = must(world.tokens.create({.name = "ci", .scopes = Scopes::publish}, "test"));
  CHECK(world.tokens.name_of(made.text) == "ci");
  CHECK_FALSE(world.tokens.name_of(made.text + "x"));
}

TEST_CASE("a limited token is spent by what was done with it, not by what was refused") {
  ServerWorld world;
  const auto made =
      must(world.tokens.create({.name = "two", .scopes = Scopes::read, .uses_max = 2}, "test"));
  const auto bearer = must(world.tokens.authorise(made.text, Scopes::read));
  for (int i = 0; i < 5; ++i) {
    must(world.tokens.spend(bearer));
    must(world.tokens.give_back(bearer));  // the request was refused
  }
  must(world.tokens.spend(bearer));
  must(world.tokens.spend(bearer));
  CHECK(world.tokens.spend(bearer).error().code == Errc::unauthorised);
  CHECK(world.tokens.authorise(made.text, Scopes::read).error().message ==
        "the token 'two' was good for 2 uses and is used up");
  CHECK(must(world.tokens.list({}, 100)).items.front().uses == 2);
}

TEST_CASE("A38 a token of one server is unknown to another") {
  ServerWorld one;
  ServerWorld other;
  const auto made = must(one.tokens.create({.name = "ci", .scopes = Scopes::admin}, "test"));
  CHECK(other.tokens.authorise(made.text, Scopes::read).error().code == Errc::unauthorised);
}

TEST_CASE("only tokens that enrol devices ask for approval") {
  ServerWorld world;
  CHECK(
      world.tokens.create({.name = "ci", .scopes = Scopes::publish, .needs_approval = true}, "test")
          .error()
          .code == Errc::invalid_argument);
}

TEST_CASE("A38 a token that is limited to hardware IDs publishes, and does nothing else") {
  ServerWorld world;
  const auto reach = must(HardwareReach::make(std::vector<std::string>{"hat:Acme:*"}));
  const auto made = must(
      world.tokens.create({.name = "acme", .scopes = Scopes::publish, .hardware = reach}, "test"));
  CHECK(must(world.tokens.authorise(made.text, Scopes::publish)).hardware == reach);
  CHECK(must(world.tokens.show("acme")).hardware == reach);
  Scopes both = Scopes::publish;
  both.add(Scopes::operate);
  for (const Scopes scopes : {Scopes(Scopes::admin), Scopes(Scopes::read), both})
    CHECK(world.tokens.create({.name = "x", .scopes = scopes, .hardware = reach}, "test")
              .error()
              .code == Errc::invalid_argument);
}

TEST_CASE("the text of a token is stored nowhere") {
  ServerWorld world;
  const auto made = must(world.tokens.create({.name = "ci", .scopes = Scopes::publish}, "test"));
  must(world.tokens.authorise(made.text, Scopes::read));
  for (const auto& file : std::filesystem::directory_iterator(world.directory.path())) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    CHECK(content.find(made.text.substr(5)) == std::string::npos);
  }
}

namespace {

// A disk that is full.
class FullStore final : public Store {
 public:
  explicit FullStore(Store& store) : store_(store) {}
  Result<void> write(const Write&, Durability) override {
    ++writes;
    return fail(Errc::io, "database or disk is full");
  }
  Result<void> read(const Read& f) override { return store_.read(f); }

  int writes = 0;

 private:
  Store& store_;
};

}  // namespace

TEST_CASE(
    "a token authorises also while its use cannot be noted, which is not tried all the time") {
  ServerWorld world;
  const auto made = must(world.tokens.create({.name = "ci", .scopes = Scopes::read}, "test"));
  FullStore full(*world.store);
  TokenService tokens(full, world.clock);
  CHECK_FALSE(must(tokens.authorise(made.text, Scopes::read)).trouble.empty());
  for (int i = 0; i < 10; ++i)
    CHECK(must(tokens.authorise(made.text, Scopes::read)).trouble.empty());
  CHECK(full.writes == 1);
  world.clock.now += 60;
  CHECK(tokens.authorise(made.text, Scopes::read));
  CHECK(full.writes == 2);
}

TEST_CASE("a token that is used up is recognised, and neither an expired nor a revoked one") {
  ServerWorld world;
  const auto made = must(world.tokens.create({.name = "once",
                                              .scopes = Scopes::read,
                                              .expires_unix_s = world.clock.now + 10,
                                              .uses_max = 1},
                                             "test"));
  CHECK_FALSE(must(world.tokens.recognise(made.text, Scopes::read)).is_used_up);
  must(world.tokens.spend(must(world.tokens.authorise(made.text, Scopes::read))));
  CHECK(must(world.tokens.recognise(made.text, Scopes::read)).is_used_up);
  CHECK(world.tokens.recognise(made.text, Scopes::admin).error().code == Errc::forbidden);
  world.clock.now += 10;
  CHECK(world.tokens.recognise(made.text, Scopes::read).error().code == Errc::unauthorised);
  world.clock.now -= 10;
  must(world.tokens.revoke("once", "test"));
  CHECK(world.tokens.recognise(made.text, Scopes::read).error().code == Errc::unauthorised);
}

TEST_CASE("names of tokens are unique and plain") {
  ServerWorld world;
  must(world.tokens.create({.name = "ci", .scopes = Scopes::read}, "test"));
  CHECK(world.tokens.create({.name = "ci", .scopes = Scopes::read}, "t").error().code ==
        Errc::conflict);
  for (const char* name : {"", "a b", "../x", "A"})
    CHECK(world.tokens.create({.name = name, .scopes = Scopes::read}, "t").error().code ==
          Errc::invalid_argument);
}

}  // namespace mpyd::server
