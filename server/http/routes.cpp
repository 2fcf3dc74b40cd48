#include "server/http/routes.hpp"

#include "server/http/handlers/handlers.hpp"
#include "server/http/problem.hpp"

namespace mpyd::server::http {
namespace {

constexpr std::size_t kJsonMax = std::size_t{1} << 20;
constexpr std::size_t kTargetsMax = std::size_t{16} << 20;
constexpr std::size_t kPublishMax = std::size_t{64} << 20;
constexpr std::string_view kPackages = "application/vnd.mpyd.packages";

// Routes outside /v1/admin need no token, whatever this column says.
constexpr Scopes::Scope kNone = Scopes::read;

// clang-format off
constexpr Route<DeviceApi> kDeviceRoutes[] = {
    {"POST", "/v1/device/sync",          Cost::inline_, kSyncBytesMax, kNone, handlers::sync},
    {"GET",  "/v1/device/root/{version}", Cost::inline_, 0,            kNone, handlers::get_root},
    {"GET",  "/v1/device/targets",       Cost::inline_, 0,             kNone, handlers::get_targets},
    {"GET",  "/v1/packages/{sha256}",    Cost::inline_, 0,             kNone, handlers::get_package},
    {"GET",  "/healthz",                 Cost::inline_, 0,             kNone, handlers::healthz},
    {"GET",  "/readyz",                  Cost::inline_, 0,             kNone, handlers::readyz},
};

constexpr Route<AdminApi> kAdminRoutes[] = {
    {"GET",    "/v1/admin/status",              Cost::slow, 0,           Scopes::read,    handlers::status},
    {"GET",    "/v1/admin/trust",               Cost::slow, 0,           Scopes::read,    handlers::trust},
    {"PUT",    "/v1/admin/trust/targets",       Cost::slow, kTargetsMax, Scopes::operate, handlers::put_targets},
    {"POST",   "/v1/admin/trust/roots",         Cost::slow, kJsonMax,    Scopes::operate, handlers::add_root},
    {"POST",   "/v1/admin/server-key",          Cost::slow, kJsonMax,    Scopes::admin,   handlers::next_server_key},
    {"GET",    "/v1/admin/releases",            Cost::slow, 0,           Scopes::read,    handlers::list_releases},
    {"POST",   "/v1/admin/releases",            Cost::slow, kPublishMax, Scopes::publish, handlers::publish, kPackages},
    {"POST",   "/v1/admin/releases/match",      Cost::slow, kJsonMax,    Scopes::publish, handlers::match},
    {"POST",   "/v1/admin/releases/yank",       Cost::slow, kJsonMax,    Scopes::operate, handlers::yank},
    {"POST",   "/v1/admin/releases/unyank",     Cost::slow, kJsonMax,    Scopes::operate, handlers::unyank},
    {"GET",    "/v1/admin/explain",             Cost::slow, 0,           Scopes::read,    handlers::explain},
    {"GET",    "/v1/admin/devices",             Cost::slow, 0,           Scopes::read,    handlers::list_devices},
    {"POST",   "/v1/admin/devices",             Cost::slow, kJsonMax,    Scopes::operate, handlers::enroll_device},
    {"GET",    "/v1/admin/devices/{id}",        Cost::slow, 0,           Scopes::read,    handlers::show_device},
    {"POST",   "/v1/admin/devices/{id}/revoke", Cost::slow, kJsonMax,    Scopes::operate, handlers::revoke_device},
    {"POST",   "/v1/admin/devices/{id}/approve", Cost::slow, kJsonMax,   Scopes::operate, handlers::approve_device},
    {"POST",   "/v1/admin/devices/{id}/replace", Cost::slow, kJsonMax,   Scopes::operate, handlers::replace_device},
    {"POST",   "/v1/admin/devices/{id}/slots/{slot}/try-again", Cost::slow, kJsonMax, Scopes::operate, handlers::try_again},
    {"GET",    "/v1/admin/device-server",       Cost::slow, 0,           Scopes::read,    handlers::show_device_server},
    {"PUT",    "/v1/admin/device-server",       Cost::slow, kJsonMax,    Scopes::admin,   handlers::move_device_server},
    {"DELETE", "/v1/admin/device-server",       Cost::slow, 0,           Scopes::admin,   handlers::cancel_device_server},
    {"GET",    "/v1/admin/fleet-keys",          Cost::slow, 0,           Scopes::read,    handlers::list_fleet_keys},
    {"POST",   "/v1/admin/fleet-keys",          Cost::slow, kJsonMax,    Scopes::admin,   handlers::make_fleet_key},
    {"GET",    "/v1/admin/tokens",              Cost::slow, 0,           Scopes::admin,   handlers::list_tokens},
    {"POST",   "/v1/admin/tokens",              Cost::slow, kJsonMax,    Scopes::admin,   handlers::create_token},
    {"DELETE", "/v1/admin/tokens/{name}",       Cost::slow, 0,           Scopes::admin,   handlers::revoke_token},
    {"GET",    "/v1/admin/audit",               Cost::slow, 0,           Scopes::read,    handlers::list_audit},
    {"GET",    "/healthz",                      Cost::inline_, 0,        kNone,           handlers::admin_healthz},
    {"GET",    "/readyz",                       Cost::slow, 0,           kNone,           handlers::admin_readyz},
};
// clang-format on

// "Bearer TOKEN" -> TOKEN; empty for anything else.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return {};
  return authorization.substr(kScheme.size());
}

// Who asks, or why not. Without a token: nobody by name.
Result<TokenService::Bearer> authorise(const DeviceApi&, const Route<DeviceApi>&,
                                       const RequestHead&) {
  return TokenService::Bearer{};
}

Result<TokenService::Bearer> authorise(const AdminApi& api, const Route<AdminApi>& route,
                                       const RequestHead& head) {
  if (!route.pattern.starts_with("/v1/admin/")) return TokenService::Bearer{};
  const std::string_view token = bearer_token(head.authorization);
  if (token.empty()) return fail(Errc::unauthorised, "this needs a token");
  return api.tokens.authorise(token, route.scope);
}

// Runs the handler. A token that is good for some uses only pays with one, unless it is refused.
Result<Response> run(const DeviceApi& api, const Route<DeviceApi>& route,
                     const TokenService::Bearer&, Request& request) {
  return route.handler(api, request);
}

Result<Response> run(const AdminApi& api, const Route<AdminApi>& route,
                     const TokenService::Bearer& bearer, Request& request) {
  MPYD_TRY(api.tokens.spend(bearer));
  Result<Response> response = route.handler(api, request);
  if (!response) MPYD_TRY(api.tokens.give_back(bearer));
  return response;
}

template <class Api>
class RoutedApplication final : public Application {
 public:
  RoutedApplication(std::span<const Route<Api>> routes, const Api& api)
      : routes_(routes), api_(api) {}

  Plan plan(const RequestHead& head) const override {
    std::vector<std::string> params;
    std::string allowed;
    for (const Route<Api>& route : routes_) {
      if (!matches(route.pattern, head.segments, params)) continue;
      if (route.method == head.method || (route.method == "GET" && head.method == "HEAD"))
        return plan_of(route, head, std::move(params));
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      if (route.method == "GET") allowed += ", HEAD";
    }
    return {.refusal = refuse(head, std::move(allowed))};
  }

 private:
  Plan plan_of(const Route<Api>& route, const RequestHead& head,
               std::vector<std::string> params) const {
    auto bearer = authorise(api_, route, head);
    if (!bearer) return {.refusal = problem_response(bearer.error(), head)};
    if (!route.content_type.empty() && head.content_type != route.content_type)
      return {.refusal =
                  problem_response(415, Errc::invalid_argument,
                                   "the body must be " + std::string(route.content_type), head)};
    return {.cost = route.cost,
            .body_bytes_max = route.body_bytes_max,
            .params = std::move(params),
            .actor = bearer->name.empty() ? std::string() : "token:" + bearer->name,
            .run = [this, &route, bearer = *bearer](Request& request) {
              return http::run(api_, route, bearer, request);
            }};
  }

  static Response refuse(const RequestHead& head, std::string allowed) {
    if (allowed.empty()) return problem_response(404, Errc::not_found, "nothing is here", head);
    Response response =
        problem_response(405, Errc::invalid_argument, "there is no " + head.method + " here", head);
    response.headers.emplace_back("Allow", std::move(allowed));
    return response;
  }

  std::span<const Route<Api>> routes_;
  Api api_;
};

}  // namespace

std::span<const Route<DeviceApi>> device_routes() { return kDeviceRoutes; }
std::span<const Route<AdminApi>> admin_routes() { return kAdminRoutes; }

std::unique_ptr<Application> make_device_application(const DeviceApi& api) {
  return std::make_unique<RoutedApplication<DeviceApi>>(device_routes(), api);
}

std::unique_ptr<Application> make_admin_application(const AdminApi& api) {
  return std::make_unique<RoutedApplication<AdminApi>>(admin_routes(), api);
}

}  // namespace mpyd::server::http
