#include "server/http/problem.hpp"

#include <boost/json.hpp>
#include <fstream>

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

TEST_CASE("every problem says what to do") {
  for (const ProblemKind& kind : problem_kinds()) {
    CAPTURE(name(kind.code));
    CHECK_FALSE(kind.hint.empty());
  }
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
