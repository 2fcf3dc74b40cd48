// One function per route of http/routes.cpp: HTTP values in, a service's answer out.
#pragma once

#include "server/http/routes.hpp"

namespace mpyd::server::http::handlers {

// device.cpp
Result<Response> sync(const DeviceApi& api, Request& request);
Result<Response> get_root(const DeviceApi& api, Request& request);
Result<Response> get_targets(const DeviceApi& api, Request& request);

// package.cpp
Result<Response> get_package(const DeviceApi& api, Request& request);

// health.cpp
Result<Response> healthz(const DeviceApi& api, Request& request);
Result<Response> readyz(const DeviceApi& api, Request& request);
Result<Response> admin_healthz(const AdminApi& api, Request& request);
Result<Response> admin_readyz(const AdminApi& api, Request& request);
std::optional<Response> recall_admin_readyz(const AdminApi& api, const RequestHead& head);

// metrics.cpp
Result<Response> metrics(const AdminApi& api, Request& request);

// trust.cpp
Result<Response> status(const AdminApi& api, Request& request);
Result<Response> trust(const AdminApi& api, Request& request);
Result<Response> put_targets(const AdminApi& api, Request& request);
Result<Response> add_root(const AdminApi& api, Request& request);
Result<Response> next_server_key(const AdminApi& api, Request& request);
Result<Response> next_server_key_again(const AdminApi& api, Request& request);

// releases.cpp
Result<Response> list_releases(const AdminApi& api, Request& request);
Result<Response> show_release(const AdminApi& api, Request& request);
// Of the body of yank and unyank.
Result<Response> show_selected_release(const AdminApi& api, Request& request);
Result<Response> publish(const AdminApi& api, Request& request);
Result<Response> match(const AdminApi& api, Request& request);
Result<Response> yank(const AdminApi& api, Request& request);
Result<Response> unyank(const AdminApi& api, Request& request);
Result<Response> deprecate(const AdminApi& api, Request& request);
Result<Response> undeprecate(const AdminApi& api, Request& request);

// catalog.cpp
Result<Response> list_drivers(const AdminApi& api, Request& request);
Result<Response> show_driver(const AdminApi& api, Request& request);
Result<Response> show_package(const AdminApi& api, Request& request);
Result<Response> download_package(const AdminApi& api, Request& request);
Result<Response> list_policy(const AdminApi& api, Request& request);
Result<Response> show_policy(const AdminApi& api, Request& request);
Result<Response> list_publishers(const AdminApi& api, Request& request);

// inventory.cpp
Result<Response> list_inventory(const AdminApi& api, Request& request);
Result<Response> statistics(const AdminApi& api, Request& request);

// explain.cpp
Result<Response> explain(const AdminApi& api, Request& request);

// devices.cpp
Result<Response> list_devices(const AdminApi& api, Request& request);
Result<Response> enroll_device(const AdminApi& api, Request& request);
Result<Response> show_device(const AdminApi& api, Request& request);
Result<Response> revoke_device(const AdminApi& api, Request& request);
Result<Response> approve_device(const AdminApi& api, Request& request);
Result<Response> replace_device(const AdminApi& api, Request& request);
Result<Response> try_again(const AdminApi& api, Request& request);
Result<Response> pin_device(const AdminApi& api, Request& request);
Result<Response> unpin_device(const AdminApi& api, Request& request);

// fleet.cpp
Result<Response> list_fleet_keys(const AdminApi& api, Request& request);
Result<Response> make_fleet_key(const AdminApi& api, Request& request);
Result<Response> show_device_server(const AdminApi& api, Request& request);
Result<Response> move_device_server(const AdminApi& api, Request& request);
Result<Response> cancel_device_server(const AdminApi& api, Request& request);

// tokens.cpp
Result<Response> list_tokens(const AdminApi& api, Request& request);
Result<Response> show_token(const AdminApi& api, Request& request);
Result<Response> create_token(const AdminApi& api, Request& request);
Result<Response> create_token_again(const AdminApi& api, Request& request);
Result<Response> revoke_token(const AdminApi& api, Request& request);
Result<Response> whoami(const AdminApi& api, Request& request);

// openapi.cpp
Result<Response> openapi(const AdminApi& api, Request& request);

// audit.cpp
Result<Response> list_audit(const AdminApi& api, Request& request);
Result<Response> audit_chain(const AdminApi& api, Request& request);

}  // namespace mpyd::server::http::handlers
