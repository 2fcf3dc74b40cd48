// schema/openapi.yaml, as it is served, held against the route tables.
#include "server/http/openapi.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "server/http/routes.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server::http {

namespace {

namespace json = boost::json;

const json::value& whole() {
  static const json::value value = json::parse(openapi_json());
  return value;
}

const json::object& description() { return whole().as_object(); }

// What a $ref stands for; anything else is itself.
const json::object& resolved(const json::value& value) {
  const json::object& object = value.as_object();
  const json::value* const ref = object.if_contains("$ref");
  if (ref == nullptr) return object;
  // "#/components/..."
  const std::string_view pointer = std::string_view(ref->as_string()).substr(1);
  return whole().at_pointer(pointer).as_object();
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

const json::object& operation_of(std::string_view method, std::string_view pattern) {
  CAPTURE(method, pattern);
  const json::object& paths = description().at("paths").as_object();
  REQUIRE(paths.contains(pattern));
  const json::object& path = paths.at(pattern).as_object();
  REQUIRE(path.contains(lower(method)));
  return path.at(lower(method)).as_object();
}

// Names of an operation's parameters that are in query, path or header.
std::set<std::string> parameters_of(const json::object& operation, std::string_view in) {
  std::set<std::string> out;
  if (const json::value* const list = operation.if_contains("parameters"))
    for (const json::value& each : list->as_array()) {
      const json::object& parameter = resolved(each);
      if (parameter.at("in").as_string() == in)
        out.emplace(std::string_view(parameter.at("name").as_string()));
    }
  return out;
}

std::set<std::string> words(std::string_view text) {
  std::set<std::string> out;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    out.emplace(word);
  }
  return out;
}

// The {names} of a pattern.
std::set<std::string> names_in(std::string_view pattern) {
  std::set<std::string> out;
  for (std::size_t at = pattern.find('{'); at != std::string_view::npos;
       at = pattern.find('{', at + 1))
    out.emplace(pattern.substr(at + 1, pattern.find('}', at) - at - 1));
  return out;
}

bool has_header(const json::object& operation, std::string_view header) {
  const json::object& responses = operation.at("responses").as_object();
  const json::value* const ok = responses.if_contains("200");
  if (ok == nullptr) return false;
  const json::value* const headers = resolved(*ok).if_contains("headers");
  return headers != nullptr && headers->as_object().contains(header);
}

void check_admin_route(const Route<AdminApi>& route) {
  CAPTURE(route.method, route.pattern);
  const json::object& operation = operation_of(route.method, route.pattern);
  const json::object& responses = operation.at("responses").as_object();
  const auto headers = parameters_of(operation, "header");
  const auto answers = [&](const char* status) { return responses.contains(status); };

  REQUIRE(operation.contains("security"));
  CHECK(operation.at("security").at(0).at("token").at(0).as_string() == name(route.scope));
  const json::value* const limited = operation.if_contains("x-limited");
  CHECK(std::string_view(limited == nullptr ? "refused" : limited->as_string()) ==
        name(route.limited));
  CHECK(parameters_of(operation, "query") == words(route.query));
  CHECK(parameters_of(operation, "path") == names_in(route.pattern));
  for (const char* status : {"400", "401", "403", "429", "503", "default"}) {
    CAPTURE(status);
    CHECK(answers(status));
  }
  const bool is_get = route.method == "GET";
  const bool is_list = words(route.query).contains("cursor");
  CHECK(headers.contains("If-None-Match") == is_get);
  CHECK(answers("304") == is_get);
  if (is_get) CHECK(has_header(operation, "ETag"));
  CHECK(has_header(operation, "Link") == is_list);
  CHECK(headers.contains("If-Match") == (route.changes != nullptr));
  CHECK(answers("412") == (route.changes != nullptr));
  CHECK(headers.contains("Idempotency-Key") == (route.method == "POST"));
  if (route.method == "POST") {
    CHECK(answers("409"));
    CHECK(answers("422"));
  }
  if (!names_in(route.pattern).empty()) CHECK(answers("404"));
  CHECK(answers("415") == (route.body_bytes_max != 0));
  if (!route.content_type.empty())
    CHECK(operation.at("requestBody").at("content").as_object().contains(route.content_type));
}

}  // namespace

TEST_CASE("schema/openapi.yaml says of every admin route what its row says") {
  for (const auto& route : admin_routes())
    if (route.pattern.starts_with("/v1/admin/")) check_admin_route(route);
}

TEST_CASE("schema/openapi.yaml describes every route, and nothing else") {
  std::size_t routes = 0;
  const auto check = [&](std::string_view method, std::string_view pattern) {
    operation_of(method, pattern);
    ++routes;
  };
  for (const auto& route : device_routes()) check(route.method, route.pattern);
  for (const auto& route : admin_routes())
    if (route.pattern.starts_with("/v1/") || route.pattern == "/metrics")
      check(route.method, route.pattern);
  std::size_t described = 0;
  for (const auto& path : description().at("paths").as_object())
    described += path.value().as_object().size();
  CHECK(described == routes);
}

TEST_CASE("what can be changed and what can be read have the same path, or the row says which") {
  for (const auto& route : admin_routes()) {
    if (route.method != "PUT" && route.method != "DELETE") continue;
    CAPTURE(route.method, route.pattern);
    CHECK(route.changes != nullptr);
  }
}

}  // namespace mpyd::server::http
