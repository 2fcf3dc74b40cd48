#include <boost/json.hpp>

#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"
#include "server/http/problem.hpp"

namespace mpyd::server::http::handlers {
namespace {

Response ok() { return json_response(200, {{"status", "ok"}}); }

Response readiness(const std::vector<HealthService::Unfit>& unfit, const RequestHead& head) {
  if (unfit.empty()) return ok();
  boost::json::array checks;
  std::string detail;
  for (const HealthService::Unfit& each : unfit) {
    checks.push_back({{"check", each.check}, {"reason", each.reason}});
    detail.append(detail.empty() ? "" : "; ").append(each.reason);
  }
  return problem_response(Errc::not_ready, detail, "checks", checks, head);
}

}  // namespace

Result<Response> healthz(const DeviceApi&, Request&) { return ok(); }
Result<Response> readyz(const DeviceApi& api, Request& request) {
  return readiness(api.health.look(), request.head);
}
Result<Response> admin_healthz(const AdminApi&, Request&) { return ok(); }
Result<Response> admin_readyz(const AdminApi& api, Request& request) {
  return readiness(api.health.look_by_writing(), request.head);
}
std::optional<Response> recall_admin_readyz(const AdminApi& api, const RequestHead& head) {
  const auto unfit = api.health.recall();
  if (!unfit) return std::nullopt;
  return readiness(*unfit, head);
}

}  // namespace mpyd::server::http::handlers
