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
  server::HealthService health_{*world_.store};

 public:
  const std::unique_ptr<server::http::Application> device = server::http::make_device_application(
      {.sync = world_.sync, .trust = world_.trust, .releases = world_.releases, .health = health_});
  const std::unique_ptr<server::http::Application> admin =
      server::http::make_admin_application({.trust = world_.trust,
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
                                            .rotation = world_.rotation});
};

}  // namespace mpyd::fuzz
