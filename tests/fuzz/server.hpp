// Both listeners' applications over a real database, without sockets.
#pragma once

#include <memory>
#include <string>

#include "server/http/routes.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::fuzz {

class Applications {
 public:
  Applications() {
    world_.set_policy({world_.entry()});
    digest = format_digest(test::must(world_.publish({.is_public = true})).items[0].variant.digest)
                 .view();
    token =
        test::must(world_.tokens.create(
                       {.name = "fuzz",
                        .scopes = test::must(server::Scopes::parse("read publish operate admin"))},
                       "fuzz"))
            .text;
  }

  std::string digest;  // of the package that is there
  std::string token;   // with every scope

 private:
  test::ServerWorld world_;
  server::AuditService audit_{*world_.store};
  server::HealthService health_{{.store = *world_.store,
                                 .trust = world_.trust,
                                 .server_keys = world_.server_keys,
                                 .clock = world_.clock,
                                 .data_dir = world_.directory.path(),
                                 .database = world_.directory.file("mpyd.db"),
                                 .last_backup = world_.directory.file("last-backup")}};
  server::RequestMemory requests_{*world_.store, world_.clock};
  server::CatalogService catalog_{*world_.store, world_.trust};
  server::InventoryService inventory_{*world_.store, world_.clock};
  server::CensusService census_{*world_.store};
  server::MaintenanceService maintenance_{*world_.store, world_.clock};
  server::http::Metrics metrics_;

 public:
  const std::unique_ptr<server::http::Application> device =
      server::http::make_device_application({.sync = world_.sync,
                                             .trust = world_.trust,
                                             .releases = world_.releases,
                                             .health = health_,
                                             .metrics = metrics_});
  const std::unique_ptr<server::http::Application> admin =
      server::http::make_admin_application({.store = *world_.store,
                                            .requests = requests_,
                                            .trust = world_.trust,
                                            .publish = world_.publish_service,
                                            .releases = world_.releases,
                                            .devices = world_.devices,
                                            .tokens = world_.tokens,
                                            .resolve = world_.resolve,
                                            .audit = audit_,
                                            .health = health_,
                                            .fleet_keys = world_.fleet_keys,
                                            .place = world_.place,
                                            .server_keys = world_.server_keys,
                                            .rotation = world_.rotation,
                                            .catalog = catalog_,
                                            .inventory = inventory_,
                                            .census = census_,
                                            .maintenance = maintenance_,
                                            .metrics = metrics_});
};

}  // namespace mpyd::fuzz
