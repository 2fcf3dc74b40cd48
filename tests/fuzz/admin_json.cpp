// Bodies and targets on the admin listener, sent by somebody who holds a token of every scope.
#include <array>

#include "server/http/json_fields.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/server.hpp"

using namespace mpyd;
namespace http = mpyd::server::http;

namespace {

struct Route {
  const char* method;
  std::vector<std::string> segments;
  const char* content_type = "application/json";
};

const std::vector<Route>& routes() {
  static const std::vector<Route> kRoutes = {
      {"PUT", {"v1", "admin", "trust", "targets"}},
      {"POST", {"v1", "admin", "releases", "match"}},
      {"POST", {"v1", "admin", "releases", "yank"}},
      {"POST", {"v1", "admin", "releases", "unyank"}},
      {"POST", {"v1", "admin", "devices"}},
      {"POST", {"v1", "admin", "tokens"}},
      {"POST", {"v1", "admin", "releases"}, "application/vnd.mpyd.packages"},
      {"GET", {"v1", "admin", "releases"}},
      {"GET", {"v1", "admin", "devices"}},
      {"GET", {"v1", "admin", "audit"}},
      {"GET", {"v1", "admin", "explain"}},
      {"POST", {"v1", "admin", "trust", "roots"}},
      {"PUT", {"v1", "admin", "device-server"}},
      {"POST", {"v1", "admin", "fleet-keys"}},
      {"POST", {"v1", "admin", "devices", "0123456789abcdef", "replace"}},
      {"POST", {"v1", "admin", "devices", "0123456789abcdef", "approve"}},
  };
  return kRoutes;
}

// name=value&name=value
std::vector<std::pair<std::string, std::string>> read_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!text.empty() && out.size() < 16) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    out.emplace_back(part.substr(0, equals), part.substr(std::min(equals + 1, part.size())));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Applications applications;
  fuzz::Input input(data, size);
  const Route& route = routes()[input.byte() % routes().size()];
  http::Request request;
  request.head.method = route.method;
  request.head.segments = route.segments;
  request.head.content_type = route.content_type;
  request.head.authorization = "Bearer " + applications.token;
  if (request.head.method == "GET")
    request.head.query = read_query(as_text(input.rest()));
  else
    request.body = as_text(input.rest());
  http::Plan plan = applications.admin->plan(request.head);
  if (plan.refusal) {  // a parameter that is none
    FUZZ_CHECK(request.head.method == "GET" && plan.refusal->status == 400);
    return 0;
  }
  request.params = std::move(plan.params);
  request.actor = std::move(plan.actor);
  const auto response = plan.run(request);
  if (!response) {
    FUZZ_CHECK(!response.error().message.empty());
    FUZZ_CHECK(response.error().code != Errc::internal && response.error().code != Errc::io);
  } else {
    FUZZ_CHECK(response->status < 500);
  }
  return 0;
}
