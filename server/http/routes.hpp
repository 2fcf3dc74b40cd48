// THE route table, and the applications of both listeners over it.
#pragma once

#include "server/http/metrics.hpp"
#include "server/http/router.hpp"
#include "server/services/audit_service.hpp"
#include "server/services/catalog_service.hpp"
#include "server/services/census_service.hpp"
#include "server/services/device_service.hpp"
#include "server/services/fleet_keys.hpp"
#include "server/services/health_service.hpp"
#include "server/services/inventory_service.hpp"
#include "server/services/maintenance_service.hpp"
#include "server/services/publish_service.hpp"
#include "server/services/release_service.hpp"
#include "server/services/request_memory.hpp"
#include "server/services/resolve_service.hpp"
#include "server/services/rotation_service.hpp"
#include "server/services/server_place.hpp"
#include "server/services/sync_service.hpp"
#include "server/services/token_service.hpp"
#include "server/services/trust_service.hpp"

namespace mpyd::server::http {

// What handlers of the device listener may use. All references outlive the application.
struct DeviceApi {
  SyncService& sync;
  const TrustService& trust;
  const ReleaseService& releases;
  const HealthService& health;
  Metrics& metrics;
};

// What handlers of the admin listener may use.
struct AdminApi {
  const JoinableStore& store;
  RequestMemory& requests;
  TrustService& trust;
  PublishService& publish;
  ReleaseService& releases;
  DeviceService& devices;
  TokenService& tokens;
  ResolveService& resolve;
  const AuditService& audit;
  HealthService& health;
  FleetKeys& fleet_keys;
  ServerPlace& place;
  const ServerKeys& server_keys;
  RotationService& rotation;
  const CatalogService& catalog;
  const InventoryService& inventory;
  const CensusService& census;
  const MaintenanceService& maintenance;
  Metrics& metrics;
};

std::span<const Route<DeviceApi>> device_routes();
std::span<const Route<AdminApi>> admin_routes();

std::unique_ptr<Application> make_device_application(const DeviceApi& api);
// Demands a bearer token with the route's scope for everything below /v1/admin.
std::unique_ptr<Application> make_admin_application(const AdminApi& api);

}  // namespace mpyd::server::http
