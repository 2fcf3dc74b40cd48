// What holds for every route of /v1/admin, through the application and without a socket.
#include "server/http/conventions.hpp"

#include <boost/json.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <map>

#include "server/http/problem.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server::http {

namespace {

namespace json = boost::json;

constexpr const char* kHardware = "hat:Meadow%20Instruments:0042";
constexpr const char* kRelease = "/v1/admin/releases/hat:Meadow%2520Instruments:0042/1.0.0";

using Headers = std::map<std::string, std::string>;

class World : public test::ServerWorld {
 public:
  World() {
    set_policy({entry()});
    REQUIRE(publish({.version = "1.0.0"}));
    token = test::must(tokens.create({.name = "op", .scopes = Scopes::admin}, "test")).text;
  }

  RequestHead head_of(const std::string& method, const std::string& target,
                      const Headers& headers = {}) const {
    RequestHead head{.method = method, .request_id = "test"};
    const auto url = boost::urls::parse_origin_form(target).value();
    head.path = std::string(url.encoded_path());
    for (const auto& segment : url.segments()) head.segments.emplace_back(segment);
    for (const auto& param : url.params()) head.query.emplace_back(param.key, param.value);
    head.authorization = "Bearer " + token;
    for (const auto& [name, value] : headers) {
      if (name == "If-Match") head.if_match = value;
      if (name == "If-None-Match") head.if_none_match = value;
      if (name == "Idempotency-Key") head.idempotency_key = value;
    }
    return head;
  }

  // A token of its own for what follows.
  void use(const TokenService::Request& wanted) {
    token = test::must(tokens.create(wanted, "test")).text;
  }

  // What the database holds when the daemon dies before the answer is kept.
  void forget_answer(std::string_view key) {
    test::must(store->write([&](Transaction& tx) -> Result<void> {
      MPYD_TRY_ASSIGN(const auto found, tx.requests().find(hash_token(token), key));
      AnsweredRequest row = found.value();
      row.status = 0;
      row.body.clear();
      return tx.requests().put(row);
    }));
  }

  Response send(const std::string& method, const std::string& target, const Headers& headers = {},
                const std::string& body = "{}") {
    const RequestHead head = head_of(method, target, headers);
    Plan plan = application->plan(head);
    if (plan.refusal) return *std::move(plan.refusal);
    Request request{.head = head, .body = body, .params = plan.params, .actor = plan.actor};
    auto response = plan.run(request);
    return response ? *std::move(response) : problem_response(response.error(), head);
  }

  bool is_yanked() {
    const auto page = test::must(releases.list({.yanked = true}));
    return !page.items.empty();
  }

  AuditService audit{*store};
  CatalogService catalog{*store, trust};
  InventoryService inventory{*store, clock};
  CensusService census{*store};
  MaintenanceService maintenance{*store, clock};
  Metrics metrics;
  RequestMemory requests{*store, clock};
  std::unique_ptr<Application> application = make_admin_application({.store = *store,
                                                                     .requests = requests,
                                                                     .trust = trust,
                                                                     .publish = publish_service,
                                                                     .releases = releases,
                                                                     .devices = devices,
                                                                     .tokens = tokens,
                                                                     .resolve = resolve,
                                                                     .audit = audit,
                                                                     .health = health,
                                                                     .fleet_keys = fleet_keys,
                                                                     .place = place,
                                                                     .server_keys = server_keys,
                                                                     .rotation = rotation,
                                                                     .catalog = catalog,
                                                                     .inventory = inventory,
                                                                     .census = census,
                                                                     .maintenance = maintenance,
                                                                     .metrics = metrics});
  std::string token;
};

std::string header_of(const Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return {};
}

std::string code_of(const Response& response) {
  return std::string(json::parse(as_text(response.body)).at("code").as_string());
}

std::string detail_of(const Response& response) {
  return std::string(json::parse(as_text(response.body)).at("detail").as_string());
}

std::string selection() {
  return json::serialize(json::object{{"hardware_id", kHardware}, {"version", "1.0.0"}});
}

}  // namespace

TEST_CASE("what did not change since is not told again") {
  World world;
  const Response first = world.send("GET", kRelease);
  REQUIRE(first.status == 200);
  const std::string tag = header_of(first, "ETag");
  REQUIRE(tag.size() == 34);
  const Response same = world.send("GET", kRelease, {{"If-None-Match", "\"x\", W/" + tag}});
  CHECK(same.status == 304);
  CHECK(same.body.empty());
  CHECK(header_of(same, "ETag") == tag);
  world.send("POST", "/v1/admin/releases/yank", {}, selection());
  CHECK(world.send("GET", kRelease, {{"If-None-Match", tag}}).status == 200);
}

TEST_CASE("a change is made only of what If-Match names") {
  World world;
  const std::string tag = header_of(world.send("GET", kRelease), "ETag");
  const std::string yank = "/v1/admin/releases/yank";
  const Response stale = world.send("POST", yank, {{"If-Match", "\"other\""}}, selection());
  CHECK(stale.status == 412);
  CHECK(code_of(stale) == "changed");
  CHECK(world.send("POST", yank, {{"If-Match", "W/" + tag}}, selection()).status == 412);
  CHECK_FALSE(world.is_yanked());
  CHECK(world.send("POST", yank, {{"If-Match", tag}}, selection()).status == 200);
  CHECK(world.is_yanked());
  CHECK(world.send("POST", "/v1/admin/releases/unyank", {{"If-Match", tag}}, selection()).status ==
        412);
  // Where nothing is there to be changed, the header would promise what nobody keeps.
  CHECK(world.send("POST", "/v1/admin/tokens", {{"If-Match", tag}}).status == 400);
  CHECK(world.send("PUT", "/v1/admin/device-server", {{"If-None-Match", "*"}}).status == 400);
}

TEST_CASE("somebody else's change between look and change is found inside the transaction") {
  World world;
  int looks = 0;
  JoinableStore::Guest guest{.before = [&](Transaction&) -> Result<void> {
    return ++looks == 1 ? fail(Errc::changed, "it changed") : Result<void>();
  }};
  const JoinableStore::Visit visit(*world.store, guest);
  const auto refused =
      world.store->write([](Transaction& tx) { return tx.audit().append({.action = "never"}); });
  CHECK(refused.error().code == Errc::changed);
  CHECK(world.audit_count("never") == 0);
}

TEST_CASE("a place that is being changed can be looked at for its If-Match") {
  World world;
  const std::string target = "/v1/admin/device-server";
  const std::string tag = header_of(world.send("GET", target), "ETag");
  const Headers match = {{"If-Match", tag}};
  CHECK(world.send("PUT", target, match, R"({"host":"a.example","port":1})").status == 200);
  CHECK(world.send("PUT", target, match, R"({"host":"b.example","port":1})").status == 412);
  const std::string next = header_of(world.send("GET", target), "ETag");
  CHECK(world.send("DELETE", target, {{"If-Match", next}}).status == 204);
}

TEST_CASE("a POST with a key happens once, and its answer is the first one") {
  World world;
  const std::string yank = "/v1/admin/releases/yank";
  const Headers key = {{"Idempotency-Key", "k1"}};
  const Response first = world.send("POST", yank, key, selection());
  CHECK(first.status == 200);
  world.send("POST", "/v1/admin/releases/unyank", {}, selection());
  const Response again = world.send("POST", yank, key, selection());
  CHECK(again.status == 200);
  CHECK(as_text(again.body) == as_text(first.body));
  CHECK(header_of(again, "Idempotency-Replayed") == "true");
  CHECK_FALSE(world.is_yanked());
  const Response other = world.send("POST", yank, key, R"({"hardware_id":"hat:V:1"})");
  CHECK(other.status == 422);
  CHECK(code_of(other) == "key_reused");
  CHECK(world.send("POST", "/v1/admin/releases/unyank", key, selection()).status == 422);
  CHECK(world.send("POST", yank, {{"Idempotency-Key", "with blank"}}, selection()).status == 400);
}

TEST_CASE("after a crash between change and answer, the answer is made again and nothing else") {
  World world;
  const std::string yank = "/v1/admin/releases/yank";
  const Headers key = {{"Idempotency-Key", "k1"}};
  const Response first = world.send("POST", yank, key, selection());
  world.send("POST", "/v1/admin/releases/unyank", {}, selection());
  world.forget_answer("k1");
  const std::size_t rows = world.audit_count("yank");
  const Response again = world.send("POST", yank, key, selection());
  CHECK(as_text(again.body) == as_text(first.body));
  CHECK_FALSE(world.is_yanked());
  CHECK(world.audit_count("yank") == rows);
}

TEST_CASE("what was refused leaves its key free, and a key is free after a day") {
  World world;
  const std::string yank = "/v1/admin/releases/yank";
  const Headers key = {{"Idempotency-Key", "k1"}};
  CHECK(world.send("POST", yank, key, "{}").status == 400);
  CHECK(world.send("POST", yank, key, selection()).status == 200);
  world.clock.now += kRequestRemembered_s + 1;
  CHECK(world.send("POST", "/v1/admin/releases/unyank", key, selection()).status == 200);
}

TEST_CASE("a token's secret is not kept with the request that made it") {
  World world;
  const Headers key = {{"Idempotency-Key", "k1"}};
  const std::string wanted = R"({"name":"ci","scopes":["publish"]})";
  CHECK(world.send("POST", "/v1/admin/tokens", key, wanted).status == 201);
  const auto row = test::must(world.store->get(
      [&](const Snapshot& s) { return s.requests().find(hash_token(world.token), "k1"); }));
  REQUIRE(row);
  CHECK(row->body.empty());
  const Response again = world.send("POST", "/v1/admin/tokens", key, wanted);
  CHECK(code_of(again) == "conflict");
  CHECK(detail_of(again).find("Revoke the token 'ci'") != std::string::npos);
  // No secret of a token that there is not.
  CHECK(world.send("DELETE", "/v1/admin/tokens/ci").status == 204);
  CHECK(code_of(world.send("POST", "/v1/admin/tokens", key, wanted)) == "conflict");
  CHECK(world.send("GET", "/v1/admin/tokens/ci").status == 404);
}

TEST_CASE("a repeated request for the server's next key makes no file") {
  World world;
  const Headers key = {{"Idempotency-Key", "k1"}};
  const Response first = world.send("POST", "/v1/admin/server-key", key);
  REQUIRE(first.status == 200);
  world.key_files.next.reset();  // a root brought it into force
  const Response again = world.send("POST", "/v1/admin/server-key", key);
  CHECK(as_text(again.body) == as_text(first.body));
  world.forget_answer("k1");
  CHECK(code_of(world.send("POST", "/v1/admin/server-key", key)) == "conflict");
  CHECK_FALSE(world.key_files.next);
}

TEST_CASE("A38 a token for one use gets the answer to its request again, and nothing else") {
  World world;
  const std::string yank = "/v1/admin/releases/yank";
  const Headers key = {{"Idempotency-Key", "k1"}};
  world.use({.name = "once",
             .scopes = Scopes::operate,
             .expires_unix_s = world.clock.now + 1000,
             .uses_max = 1});
  CHECK(world.send("POST", yank, key, "{}").status == 400);
  const Response first = world.send("POST", yank, key, selection());
  REQUIRE(first.status == 200);
  const Response again = world.send("POST", yank, key, selection());
  CHECK(again.status == 200);
  CHECK(as_text(again.body) == as_text(first.body));
  world.forget_answer("k1");
  CHECK(world.send("POST", yank, key, selection()).status == 200);
  CHECK(test::must(world.tokens.show("once")).uses == 1);
  CHECK(code_of(world.send("POST", yank, key, "{}")) == "key_reused");
  CHECK(world.send("POST", yank, {{"Idempotency-Key", "k2"}}, selection()).status == 401);
  CHECK(world.send("POST", yank, {}, selection()).status == 401);
  CHECK(world.send("GET", kRelease, key).status == 401);
  world.clock.now += 1000;
  CHECK(world.send("POST", yank, key, selection()).status == 401);
  world.clock.now -= 1000;
  test::must(world.tokens.revoke("once", "test"));
  CHECK(world.send("POST", yank, key, selection()).status == 401);
}

TEST_CASE("a key too many costs no use") {
  World world;
  world.use({.name = "two", .scopes = Scopes::operate, .uses_max = 2});
  test::must(world.store->write([&](Transaction& tx) -> Result<void> {
    for (std::uint64_t i = 0; i < kRequestsPerTokenMax; ++i)
      MPYD_TRY(tx.requests().put({.token = hash_token(world.token),
                                  .key = std::to_string(i),
                                  .time_unix_s = world.clock.now}));
    return {};
  }));
  const Headers key = {{"Idempotency-Key", "one-more"}};
  CHECK(world.send("POST", "/v1/admin/releases/yank", key, selection()).status == 429);
  CHECK(test::must(world.tokens.show("two")).uses == 0);
}

TEST_CASE("the answers kept for a token have a bound in bytes; what they answer is answered on") {
  World world;
  const Headers key = {{"Idempotency-Key", "first"}};
  const std::string yank = "/v1/admin/releases/yank";
  REQUIRE(world.send("POST", yank, key, selection()).status == 200);
  const ByteVector body(kRememberedAnswerBytesMax);
  test::must(world.store->write([&](Transaction& tx) -> Result<void> {
    for (std::size_t i = 0; i < kRememberedBytesPerTokenMax / body.size(); ++i)
      MPYD_TRY(tx.requests().put({.token = hash_token(world.token),
                                  .key = std::to_string(i),
                                  .time_unix_s = world.clock.now,
                                  .status = 200,
                                  .body = body}));
    return {};
  }));
  const Headers other = {{"Idempotency-Key", "one-more"}};
  const Response refused = world.send("POST", yank, other, selection());
  CHECK(refused.status == 429);
  CHECK(detail_of(refused) ==
        "the answers to the token's Idempotency-Keys of a day take 16777216 bytes, their most; go "
        "on with another token, or without a key");
  CHECK(header_of(refused, "Retry-After") == std::to_string(kRequestRemembered_s + 1));
  CHECK(world.send("POST", yank, key, selection()).status == 200);
  world.clock.now += kRequestRemembered_s + 1;
  CHECK(world.send("POST", yank, other, selection()).status == 200);
}

TEST_CASE("a key that is empty is none, and says so") {
  World world;
  const Headers key = {{"Idempotency-Key", ""}};
  CHECK(world.send("POST", "/v1/admin/releases/yank", key, selection()).status == 400);
  CHECK_FALSE(world.is_yanked());
}

TEST_CASE("what a motherboard says at every sync is no change that If-Match guards against") {
  World world;
  const auto key = make_exchange_key().public_key;
  const std::string id = test::must(world.devices.enroll(key, "a", "test")).device.id;
  const std::string device = "/v1/admin/devices/" + id;
  const std::string pin = device + "/pins/hat:Meadow%2520Instruments:0042";
  const std::string tag = header_of(world.send("GET", device), "ETag");
  test::must(world.store->write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(auto found, tx.devices().find(id));
    found->refusals = 7;
    found->event_drops = 3;
    return tx.devices().update(*found);
  }));
  // It is news all the same.
  const Response news = world.send("GET", device, {{"If-None-Match", tag}});
  CHECK(news.status == 200);
  CHECK(header_of(news, "ETag") != tag);
  CHECK(world.send("PUT", pin, {{"If-Match", tag}}, R"({"release":1})").status == 200);
  // Somebody else's pin is what it guards against.
  CHECK(world.send("DELETE", pin, {{"If-Match", tag}}).status == 412);
  CHECK(world.send("DELETE", pin, {{"If-Match", header_of(news, "ETag")}}).status == 412);
  CHECK(world
            .send("DELETE", pin,
                  {{"If-Match", "\"x\", " + header_of(world.send("GET", device), "ETag")}})
            .status == 204);
}

TEST_CASE("using a token is no change that If-Match guards against") {
  World world;
  const auto ci =
      test::must(world.tokens.create({.name = "ci", .scopes = Scopes::read, .uses_max = 5}, "t"));
  const std::string target = "/v1/admin/tokens/ci";
  const std::string tag = header_of(world.send("GET", target), "ETag");
  test::must(world.tokens.spend(test::must(world.tokens.authorise(ci.text, Scopes::read))));
  CHECK(world.send("GET", target, {{"If-None-Match", tag}}).status == 200);
  CHECK(world.send("DELETE", target, {{"If-Match", "W/" + tag}}).status == 412);
  CHECK(world.send("DELETE", target, {{"If-Match", tag}}).status == 204);
}

TEST_CASE("what can be read is told also while nothing can be written") {
  World world;
  world.clock.now += 1000;  // the token's last use is due to be noted
  JoinableStore::Guest full_disk{
      .before = [](Transaction&) -> Result<void> { return fail(Errc::io, "disk is full"); }};
  const JoinableStore::Visit visit(*world.store, full_disk);
  for (const Route<AdminApi>& route : admin_routes()) {
    if (route.method != "GET" || !route.pattern.starts_with("/v1/admin/") ||
        route.pattern.find('{') != std::string_view::npos || route.pattern.ends_with("/explain"))
      continue;
    CAPTURE(route.pattern);
    CHECK(world.send("GET", std::string(route.pattern)).status == 200);
  }
}

TEST_CASE("A38 a limited token is not told how large the fleet is") {
  World world;
  const json::value whole = json::parse(as_text(world.send("GET", "/v1/admin/status").body));
  CHECK(whole.at("releases") == 1);
  CHECK(whole.at("devices") == 0);
  world.use({.name = "acme",
             .scopes = Scopes::publish,
             .hardware = test::must(HardwareReach::make(std::vector<std::string>{"hat:Acme:*"}))});
  const Response told = world.send("GET", "/v1/admin/status");
  REQUIRE(told.status == 200);
  const json::object limited = json::parse(as_text(told.body)).as_object();
  CHECK(limited.contains("server_key"));
  CHECK_FALSE(limited.contains("releases"));
  CHECK_FALSE(limited.contains("devices"));
}

TEST_CASE("a flood of probes takes one place a second from operators") {
  World world;
  const auto slow_ones = [&] {
    int out = 0;
    for (int i = 0; i < 100; ++i) {
      const RequestHead head = world.head_of("GET", "/readyz");
      Plan plan = world.application->plan(head);
      REQUIRE_FALSE(plan.refusal);
      if (plan.cost == Cost::slow) ++out;
      Request request{.head = head};
      CHECK(test::must(plan.run(request)).status == 200);
    }
    return out;
  };
  CHECK(slow_ones() == 1);
  CHECK(slow_ones() == 0);
  ++world.clock.now;
  CHECK(slow_ones() == 1);
}

TEST_CASE("the same request at the same time is told to wait") {
  World world;
  const RequestMemory::Asked asked{.token = {}, .key = "k", .request = {}};
  {
    const auto turn = world.requests.begin(asked);
    REQUIRE(turn);
    CHECK(world.requests.begin(asked).error().code == Errc::in_progress);
  }
  CHECK(world.requests.begin(asked));
  const Response told = problem_response(Error(Errc::in_progress), {});
  CHECK(told.status == 409);
  CHECK(header_of(told, "Retry-After") == "1");
}

TEST_CASE("a parameter that is not known, or twice there, is named") {
  World world;
  for (const char* target :
       {"/v1/admin/devices?stat=waiting", "/v1/admin/devices?name=a&name=b",
        "/v1/admin/devices?state=lost", "/v1/admin/devices?limit=0", "/v1/admin/devices?limit=1001",
        "/v1/admin/devices?sort=colour", "/v1/admin/devices?trouble=yes",
        "/v1/admin/devices?seen_before=monday", "/v1/admin/devices?hardware_id=x",
        "/v1/admin/devices?cursor=zz", "/v1/admin/devices?cursor=", "/v1/admin/releases?yanked=2",
        "/v1/admin/releases?sort=created", "/v1/admin/audit?since=-1", "/v1/admin/status?x=1"}) {
    CAPTURE(target);
    CHECK(world.send("GET", target).status == 400);
  }
}

TEST_CASE("a list is told in pages, and a cursor belongs to its list") {
  World world;
  for (int i = 0; i < 5; ++i)
    test::must(
        world.tokens.create({.name = "t" + std::to_string(i), .scopes = Scopes::read}, "test"));
  std::vector<std::string> names;
  std::string target = "/v1/admin/tokens?limit=2";
  std::string second;
  while (!target.empty()) {
    const Response page = world.send("GET", target);
    REQUIRE(page.status == 200);
    const json::value told = json::parse(as_text(page.body));
    CHECK(told.at("tokens").as_array().size() <= 2);
    for (const json::value& token : told.at("tokens").as_array())
      names.emplace_back(token.at("name").as_string());
    const std::string link = header_of(page, "Link");
    target = link.empty() ? "" : link.substr(1, link.find('>') - 1);
    if (second.empty()) second = target;
  }
  CHECK(names == std::vector<std::string>{"op", "t0", "t1", "t2", "t3", "t4"});
  const std::string cursor = second.substr(second.find("cursor="));
  CHECK(world.send("GET", "/v1/admin/tokens?limit=3&" + cursor).status == 200);
  CHECK(world.send("GET", "/v1/admin/devices?" + cursor).status == 400);
}

TEST_CASE("one token does not keep all others out") {
  World world;
  const RequestHead head = world.head_of("GET", "/v1/admin/status");
  std::vector<Plan> plans;
  for (unsigned i = 0; i < kSlowPerTokenMax; ++i) {
    plans.push_back(world.application->plan(head));
    CHECK_FALSE(plans.back().refusal);
  }
  const Plan refused = world.application->plan(head);
  REQUIRE(refused.refusal);
  CHECK(refused.refusal->status == 429);
  CHECK(header_of(*refused.refusal, "Retry-After") == "1");
  plans.pop_back();
  CHECK_FALSE(world.application->plan(head).refusal);
}

}  // namespace mpyd::server::http
