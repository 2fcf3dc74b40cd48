#include "server/http/routes.hpp"

#include <spdlog/spdlog.h>

#include "server/http/conventions.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/problem.hpp"

namespace mpyd::server::http {
namespace {

constexpr std::size_t kJsonMax = std::size_t{1} << 20;
constexpr std::size_t kTargetsMax = std::size_t{16} << 20;
constexpr std::size_t kPublishMax = std::size_t{64} << 20;
constexpr std::string_view kPackages = "application/vnd.mpyd.packages";

// Routes outside /v1/admin and /metrics need no token, whatever this column says.
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

// Query parameters of lists; http/list_query.hpp reads the last ones.
constexpr std::string_view kPage = "limit cursor";
constexpr std::string_view kReleaseQuery = "hardware_id driver_name yanked deprecated sort limit cursor";
constexpr std::string_view kDeviceQuery =
    "state name name_prefix id_prefix token hardware_id seen_from seen_before trouble sort limit cursor";
constexpr std::string_view kAuditQuery = "actor action subject since order after limit cursor";

constexpr Route<AdminApi> kAdminRoutes[] = {
    {"GET",    "/v1/admin/status",              Cost::slow, 0,           Scopes::read,    handlers::status, "", nullptr, "", Limited::allowed},
    {"GET",    "/v1/admin/trust",               Cost::slow, 0,           Scopes::read,    handlers::trust, "", nullptr, "", Limited::allowed},
    {"PUT",    "/v1/admin/trust/targets",       Cost::slow, kTargetsMax, Scopes::operate, handlers::put_targets, "", handlers::trust},
    {"POST",   "/v1/admin/trust/roots",         Cost::slow, kJsonMax,    Scopes::operate, handlers::add_root, "", handlers::trust},
    {"POST",   "/v1/admin/server-key",          Cost::slow, kJsonMax,    Scopes::admin,   handlers::next_server_key, "", nullptr, "", Limited::refused, handlers::next_server_key_again},
    {"GET",    "/v1/admin/releases",            Cost::slow, 0,           Scopes::read,    handlers::list_releases, kReleaseQuery, nullptr, "", Limited::own},
    {"GET",    "/v1/admin/releases/{hardware_id}/{version}", Cost::slow, 0, Scopes::read, handlers::show_release, "", nullptr, "", Limited::own},
    {"POST",   "/v1/admin/releases",            Cost::slow, kPublishMax, Scopes::publish, handlers::publish, "unchecked", nullptr, kPackages, Limited::own},
    {"POST",   "/v1/admin/releases/match",      Cost::slow, kJsonMax,    Scopes::publish, handlers::match, "", nullptr, "", Limited::own},
    {"POST",   "/v1/admin/releases/yank",       Cost::slow, kJsonMax,    Scopes::operate, handlers::yank, "", handlers::show_selected_release},
    {"POST",   "/v1/admin/releases/unyank",     Cost::slow, kJsonMax,    Scopes::operate, handlers::unyank, "", handlers::show_selected_release},
    {"POST",   "/v1/admin/releases/deprecate",  Cost::slow, kJsonMax,    Scopes::operate, handlers::deprecate, "", handlers::show_selected_release},
    {"POST",   "/v1/admin/releases/undeprecate", Cost::slow, kJsonMax,   Scopes::operate, handlers::undeprecate, "", handlers::show_selected_release},
    {"GET",    "/v1/admin/drivers",             Cost::slow, 0,           Scopes::read,    handlers::list_drivers, "text limit cursor", nullptr, "", Limited::own},
    {"GET",    "/v1/admin/drivers/{hardware_id}", Cost::slow, 0,         Scopes::read,    handlers::show_driver, "", nullptr, "", Limited::own},
    {"GET",    "/v1/admin/packages/{sha256}",   Cost::slow, 0,           Scopes::read,    handlers::show_package, "", nullptr, "", Limited::own},
    {"GET",    "/v1/admin/packages/{sha256}/content", Cost::slow, 0,    Scopes::read,    handlers::download_package, "", nullptr, "", Limited::own},
    {"GET",    "/v1/admin/policy",              Cost::slow, 0,           Scopes::read,    handlers::list_policy, kPage, nullptr, "", Limited::own},
    {"GET",    "/v1/admin/policy/{hardware_id}", Cost::slow, 0,          Scopes::read,    handlers::show_policy, "", nullptr, "", Limited::own},
    {"GET",    "/v1/admin/publishers",          Cost::slow, 0,           Scopes::read,    handlers::list_publishers, kPage, nullptr, "", Limited::own},
    {"GET",    "/v1/admin/explain",             Cost::slow, 0,           Scopes::read,    handlers::explain, "hardware_id revision device abi", nullptr, "", Limited::own},
    {"GET",    "/v1/admin/devices",             Cost::slow, 0,           Scopes::read,    handlers::list_devices, kDeviceQuery},
    {"POST",   "/v1/admin/devices",             Cost::slow, kJsonMax,    Scopes::operate, handlers::enroll_device},
    {"GET",    "/v1/admin/devices/{id}",        Cost::slow, 0,           Scopes::read,    handlers::show_device},
    {"POST",   "/v1/admin/devices/{id}/revoke", Cost::slow, kJsonMax,    Scopes::operate, handlers::revoke_device, "", handlers::show_device},
    {"POST",   "/v1/admin/devices/{id}/approve", Cost::slow, kJsonMax,   Scopes::operate, handlers::approve_device, "", handlers::show_device},
    {"POST",   "/v1/admin/devices/{id}/replace", Cost::slow, kJsonMax,   Scopes::operate, handlers::replace_device, "", handlers::show_device},
    {"POST",   "/v1/admin/devices/{id}/slots/{slot}/try-again", Cost::slow, kJsonMax, Scopes::operate, handlers::try_again, "", handlers::show_device},
    {"PUT",    "/v1/admin/devices/{id}/pins/{hardware_id}", Cost::slow, kJsonMax, Scopes::operate, handlers::pin_device, "", handlers::show_device},
    {"DELETE", "/v1/admin/devices/{id}/pins/{hardware_id}", Cost::slow, 0, Scopes::operate, handlers::unpin_device, "", handlers::show_device},
    {"GET",    "/v1/admin/inventory",           Cost::slow, 0,           Scopes::read,    handlers::list_inventory, "hardware_id device error state limit cursor"},
    {"GET",    "/v1/admin/statistics",          Cost::slow, 0,           Scopes::read,    handlers::statistics},
    {"GET",    "/v1/admin/device-server",       Cost::slow, 0,           Scopes::read,    handlers::show_device_server},
    {"PUT",    "/v1/admin/device-server",       Cost::slow, kJsonMax,    Scopes::admin,   handlers::move_device_server, "", handlers::show_device_server},
    {"DELETE", "/v1/admin/device-server",       Cost::slow, 0,           Scopes::admin,   handlers::cancel_device_server, "", handlers::show_device_server},
    {"GET",    "/v1/admin/fleet-keys",          Cost::slow, 0,           Scopes::read,    handlers::list_fleet_keys, kPage, nullptr, "", Limited::allowed},
    {"POST",   "/v1/admin/fleet-keys",          Cost::slow, kJsonMax,    Scopes::admin,   handlers::make_fleet_key},
    {"GET",    "/v1/admin/tokens",              Cost::slow, 0,           Scopes::admin,   handlers::list_tokens, kPage},
    {"POST",   "/v1/admin/tokens",              Cost::slow, kJsonMax,    Scopes::admin,   handlers::create_token, "", nullptr, "", Limited::refused, handlers::create_token_again},
    {"GET",    "/v1/admin/tokens/{name}",       Cost::slow, 0,           Scopes::admin,   handlers::show_token},
    {"DELETE", "/v1/admin/tokens/{name}",       Cost::slow, 0,           Scopes::admin,   handlers::revoke_token, "", handlers::show_token},
    {"GET",    "/v1/admin/whoami",              Cost::slow, 0,           Scopes::read,    handlers::whoami, "", nullptr, "", Limited::allowed},
    {"GET",    "/v1/admin/audit",               Cost::slow, 0,           Scopes::read,    handlers::list_audit, kAuditQuery},
    {"GET",    "/v1/admin/audit/chain",         Cost::slow, 0,           Scopes::read,    handlers::audit_chain, "after limit"},
    {"GET",    "/v1/openapi.json",              Cost::inline_, 0,        kNone,           handlers::openapi},
    {"GET",    "/healthz",                      Cost::inline_, 0,        kNone,           handlers::admin_healthz},
    {"GET",    "/readyz",                       Cost::slow, 0,           kNone,           handlers::admin_readyz, "", nullptr, "", Limited::refused, nullptr, handlers::recall_admin_readyz},
    {"GET",    "/metrics",                      Cost::slow, 0,           Scopes::read,    handlers::metrics},
};
// clang-format on

// "Bearer TOKEN" -> TOKEN; empty for anything else.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return {};
  return authorization.substr(kScheme.size());
}

bool follows_conventions(const Route<AdminApi>& route) {
  return route.pattern.starts_with("/v1/admin/");
}
bool needs_token(const Route<DeviceApi>&) { return false; }
bool needs_token(const Route<AdminApi>& route) {
  return follows_conventions(route) || route.pattern == "/metrics";
}

// What devices ask all day, and probes: one line of the log each would bury all others.
// Anybody may fill the device listener with requests, but not the log.
bool is_open(const DeviceApi&) { return true; }
bool is_open(const AdminApi&) { return false; }
bool is_routine(const Route<DeviceApi>&) { return true; }
bool is_routine(const Route<AdminApi>& route) { return !follows_conventions(route); }

std::string_view listener_of(const DeviceApi&) { return "device"; }
std::string_view listener_of(const AdminApi&) { return "admin"; }

// Who asks, or why not. Nobody in particular, where no token is needed.
Result<TokenService::Bearer> authorise(const DeviceApi&, const Route<DeviceApi>&,
                                       const RequestHead&) {
  return TokenService::Bearer{};
}

// A token that is used up may ask once more for what it was used for, and for nothing else.
Result<TokenService::Bearer> bearer_of(const AdminApi& api, const Route<AdminApi>& route,
                                       const RequestHead& head, std::string_view token) {
  if (!follows_conventions(route) || route.method != "POST" || !head.idempotency_key)
    return api.tokens.authorise(token, route.scope);
  MPYD_TRY_ASSIGN(auto bearer, api.tokens.recognise(token, route.scope));
  if (!bearer.is_used_up) return bearer;
  MPYD_TRY_ASSIGN(const bool is_known, api.requests.knows(bearer.hash, *head.idempotency_key));
  if (!is_known) return api.tokens.authorise(token, route.scope);
  return bearer;
}

Result<TokenService::Bearer> authorise(const AdminApi& api, const Route<AdminApi>& route,
                                       const RequestHead& head) {
  if (!needs_token(route)) return TokenService::Bearer{};
  const std::string_view token = bearer_token(head.authorization);
  if (token.empty()) return fail(Errc::unauthorised, "this needs a token");
  MPYD_TRY_ASSIGN(auto bearer, bearer_of(api, route, head, token));
  if (!bearer.trouble.empty())
    spdlog::warn("when tokens are used cannot be noted: {}", bearer.trouble);
  if (bearer.hardware.is_limited() && route.limited == Limited::refused)
    return fail(Errc::forbidden, "the token '" + bearer.name + "' is limited to " +
                                     bearer.hardware.text() + "; this needs '" +
                                     std::string(name(route.scope)) + "' without a limit");
  return bearer;
}

std::string actor_of(const std::string& token_name) { return "token:" + token_name; }

// Whose token was refused, for the log: one that asks for what it may not is worth a look.
std::string refused_actor(const DeviceApi&, const RequestHead&) { return {}; }
std::string refused_actor(const AdminApi& api, const RequestHead& head) {
  const std::string_view token = bearer_token(head.authorization);
  if (token.empty()) return {};
  const auto name = api.tokens.name_of(token);
  return name ? actor_of(*name) : std::string();
}

// What a body must be; empty: whatever it says. Bodies of the admin API that are nothing of their
// own are JSON, which short requests by hand need not say.
std::string_view wanted_type(const Route<DeviceApi>& route, const RequestHead&) {
  return route.content_type;
}
std::string_view wanted_type(const Route<AdminApi>& route, const RequestHead& head) {
  if (!route.content_type.empty() || route.body_bytes_max == 0 || head.content_type.empty())
    return route.content_type;
  return "application/json";
}

Result<void> check(const Route<DeviceApi>&, const RequestHead&) { return {}; }
Result<void> check(const Route<AdminApi>& route, const RequestHead& head) {
  if (!follows_conventions(route)) return {};
  return check_conventions(route, head);
}

// Where no route matches. Who mixes up the listeners is told so: that is a wrong address, not
// something that is missing.
Response nothing_here(const RequestHead& head, std::string_view other, const char* elsewhere) {
  if (!head.path.starts_with(other))
    return problem_response(404, Errc::not_found, "nothing is here", head);
  return problem_response(404, Errc::invalid_argument, elsewhere, head);
}
Response nothing_here(const DeviceApi&, const RequestHead& head) {
  return nothing_here(head, "/v1/admin",
                      "this is the listener for devices; the admin API is on the admin listener, "
                      "at port 8781 unless mpyd serve --admin-listen says otherwise");
}
Response nothing_here(const AdminApi&, const RequestHead& head) {
  return nothing_here(head, "/v1/device",
                      "this is the admin listener; devices have a listener of their own, at port "
                      "8780 unless mpyd serve --listen says otherwise");
}

Result<Response> run(const DeviceApi& api, const Route<DeviceApi>& route,
                     const TokenService::Bearer&, Request& request) {
  return route.handler(api, request);
}

Result<Response> run(const AdminApi& api, const Route<AdminApi>& route,
                     const TokenService::Bearer& bearer, Request& request) {
  request.reach = bearer.hardware;
  if (follows_conventions(route)) return run_by_conventions(api, route, bearer, request);
  return run_paid(api, bearer, [&] { return route.handler(api, request); });
}

// A request that is not even begun; why, if the cause lies here, is for the log.
Response refuse(const Error& error, const RequestHead& head) {
  if (problem_kind(error.code).status >= 500)
    spdlog::error("request {} failed: {}", head.request_id, error.message);
  return problem_response(error, head);
}

template <class Api>
class RoutedApplication final : public Application {
 public:
  RoutedApplication(std::span<const Route<Api>> routes, const Api& api)
      : routes_(routes), api_(api) {
    const std::string_view listener = listener_of(api);
    const auto add = [&](std::string_view method, std::string_view pattern) {
      return &api.metrics.add_route(listener, method, pattern);
    };
    for (const Route<Api>& route : routes)
      counted_.push_back({add(route.method, route.pattern),
                          route.method == "GET" ? add("HEAD", route.pattern) : nullptr});
    unplanned_ = add("-", "-");
  }

  RouteMetrics* unplanned() const override { return unplanned_; }
  Metrics* metrics() const override { return &api_.metrics; }

  Plan plan(const RequestHead& head) const override {
    std::vector<std::string> params;
    std::string allowed;
    for (std::size_t row = 0; row < routes_.size(); ++row) {
      const Route<Api>& route = routes_[row];
      if (!matches(route.pattern, head.segments, params)) continue;
      const bool is_same = route.method == head.method;
      if (is_same || (route.method == "GET" && head.method == "HEAD")) {
        Plan plan = plan_of(route, head, std::move(params));
        plan.metrics = is_same ? counted_[row].own : counted_[row].head;
        plan.is_routine = is_routine(route);
        return plan;
      }
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      if (route.method == "GET") allowed += ", HEAD";
    }
    return {.refusal = refuse_method(head, std::move(allowed)),
            .metrics = unplanned_,
            .is_routine = is_open(api_)};
  }

 private:
  struct Counted {
    RouteMetrics* own;
    RouteMetrics* head;  // of HEAD, where that is answered
  };

  Plan plan_of(const Route<Api>& route, const RequestHead& head,
               std::vector<std::string> params) const {
    auto bearer = authorise(api_, route, head);
    if (!bearer)
      return {.refusal = refuse(bearer.error(), head), .actor = refused_actor(api_, head)};
    std::string actor = needs_token(route) ? actor_of(bearer->name) : std::string();
    const std::string_view type = wanted_type(route, head);
    if (!type.empty() && head.content_type != type)
      return {.refusal = problem_response(415, Errc::invalid_argument,
                                          "the body must be " + std::string(type), head),
              .actor = std::move(actor)};
    if (const auto checked = check(route, head); !checked)
      return {.refusal = refuse(checked.error(), head), .actor = std::move(actor)};
    if (route.at_once != nullptr)
      if (auto response = route.at_once(api_, head))
        return {.actor = std::move(actor), .run = [response = *std::move(response)](Request&) {
                  return Result<Response>(response);
                }};
    std::shared_ptr<void> share;
    if (needs_token(route) && route.cost == Cost::slow) {
      share = share_.take(bearer->hash);
      if (!share)
        return {.refusal = problem_response(
                    Error(Errc::too_many_requests, "the token '" + bearer->name + "' has " +
                                                       std::to_string(kSlowPerTokenMax) +
                                                       " requests at work, its most at once"),
                    head),
                .actor = std::move(actor)};
    }
    return {.cost = route.cost,
            .body_bytes_max = route.body_bytes_max,
            .params = std::move(params),
            .actor = std::move(actor),
            .share = std::move(share),
            .run = [this, &route, bearer = *bearer](Request& request) {
              return http::run(api_, route, bearer, request);
            }};
  }

  Response refuse_method(const RequestHead& head, std::string allowed) const {
    if (allowed.empty()) return nothing_here(api_, head);
    Response response =
        problem_response(405, Errc::invalid_argument, "there is no " + head.method + " here", head);
    response.headers.emplace_back("Allow", std::move(allowed));
    return response;
  }

  std::span<const Route<Api>> routes_;
  Api api_;
  mutable FairShare share_;
  std::vector<Counted> counted_;  // by row
  RouteMetrics* unplanned_ = nullptr;
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
