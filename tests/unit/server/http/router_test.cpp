#include "server/http/router.hpp"

#include "tests/support/catch.hpp"

using mpyd::server::http::matches;

TEST_CASE("a pattern matches whole paths only and tells its parameters") {
  std::vector<std::string> params;
  CHECK(matches("/v1/devices/{id}/revoke", {"v1", "devices", "ab/cd", "revoke"}, params));
  CHECK(params == std::vector<std::string>{"ab/cd"});
  CHECK_FALSE(matches("/v1/devices/{id}", {"v1", "devices"}, params));
  CHECK_FALSE(matches("/v1/devices/{id}", {"v1", "devices", "a", "b"}, params));
  CHECK_FALSE(matches("/v1/devices", {"v1", "Devices"}, params));
  CHECK(matches("/healthz", {"healthz"}, params));
  CHECK(params.empty());
}
