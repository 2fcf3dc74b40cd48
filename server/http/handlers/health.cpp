#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"

namespace mpyd::server::http::handlers {
namespace {

Response ok() { return json_response(200, {{"status", "ok"}}); }

Result<Response> ready(const HealthService& health) {
  MPYD_TRY(health.ready());
  return ok();
}

}  // namespace

Result<Response> healthz(const DeviceApi&, Request&) { return ok(); }
Result<Response> readyz(const DeviceApi& api, Request&) { return ready(api.health); }
Result<Response> admin_healthz(const AdminApi&, Request&) { return ok(); }
Result<Response> admin_readyz(const AdminApi& api, Request&) { return ready(api.health); }

}  // namespace mpyd::server::http::handlers
