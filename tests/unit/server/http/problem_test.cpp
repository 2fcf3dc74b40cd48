#include "server/http/problem.hpp"

#include <boost/json.hpp>
#include <fstream>

#include "server/http/routes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/source_dir.hpp"

namespace mpyd::server::http {

namespace {

std::string read_text(const std::string& name) {
  std::ifstream in(test::source_path(name));
  return {std::istreambuf_iterator<char>(in), {}};
}

boost::json::object body_of(const Response& response) {
  return boost::json::parse(as_text(response.body)).as_object();
}

}  // namespace

TEST_CASE("schema/problems.md lists every problem with its status") {
  const std::string text = read_text("schema/problems.md");
  for (const ProblemKind& kind : problem_kinds()) {
    const std::string row =
        "| `" + std::string(name(kind.code)) + "` | " + std::to_string(kind.status) + " |";
    CAPTURE(row);
    CHECK(text.find(row) != std::string::npos);
  }
}

TEST_CASE("schema/openapi.yaml describes every route, and nothing else") {
  const std::string text = read_text("schema/openapi.yaml");
  std::size_t routes = 0;
  const auto check = [&](std::string_view method, std::string_view pattern) {
    std::string lower(method);
    for (char& c : lower) c = static_cast<char>(c - 'A' + 'a');
    const std::size_t at = text.find("\n  " + std::string(pattern) + ":\n");
    CAPTURE(method, pattern);
    REQUIRE(at != std::string::npos);
    const std::size_t end = text.find("\n  /", at + 1);
    CHECK(text.substr(at, end - at).find("\n    " + lower + ":\n") != std::string::npos);
    ++routes;
  };
  for (const auto& route : device_routes()) check(route.method, route.pattern);
  for (const auto& route : admin_routes())
    if (route.pattern.starts_with("/v1/")) check(route.method, route.pattern);
  std::size_t described = 0;
  for (const char* method : {"get", "put", "post", "delete"}) {
    const std::string line = "\n    " + std::string(method) + ":\n";
    for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1))
      ++described;
  }
  CHECK(described == routes);
}

TEST_CASE("a problem says what, why and what to do; one from inside says nothing") {
  const RequestHead head{.request_id = "abc"};
  const auto problem = body_of(problem_response(Error(Errc::unauthorised, "no token"), head));
  CHECK(problem.at("type") == "urn:mpyd:problem:unauthorised");
  CHECK(problem.at("status") == 401);
  CHECK(problem.at("detail") == "no token");
  CHECK(problem.at("code") == "unauthorised");
  CHECK(problem.at("instance") == "urn:mpyd:request:abc");
  CHECK(problem.contains("hint"));
  const auto inside = body_of(problem_response(Error(Errc::io, "disk /dev/sda"), head));
  CHECK(inside.at("status") == 500);
  CHECK(inside.at("detail").as_string().find("sda") == std::string::npos);
}

}  // namespace mpyd::server::http
