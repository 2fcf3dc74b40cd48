// GET /metrics: what was counted, and what there is of what the server keeps.
#include <map>

#include "protocol/sync/report.hpp"
#include "server/http/handlers/handlers.hpp"

namespace mpyd::server::http::handlers {
namespace {

void write_devices(const Census& census, Exposition& out) {
  out.family("mpyd_devices", "gauge", "Devices by state.");
  for (const auto state :
       {DeviceState::enrolled, DeviceState::revoked, DeviceState::waiting, DeviceState::replaced}) {
    std::uint64_t count = 0;
    for (const auto& each : census.devices)
      if (each.state == state) count = each.count;
    out.sample(label("state", name(state)), count);
  }
  out.family("mpyd_slots", "gauge",
             "Occupied slots of enrolled devices, by what they last reported: state and error.");
  // What a newer agent reports has no name here; all of it is one sample.
  std::map<std::string, std::uint64_t> slots;
  for (const auto& each : census.slots) {
    const std::string_view state = each.state <= 0xff
                                       ? sync::name(static_cast<sync::SlotState>(each.state))
                                       : std::string_view("unknown");
    const std::string_view error = each.error == 0 ? std::string_view("none")
                                   : each.error <= 0xffff
                                       ? mpyd::name(static_cast<Errc>(each.error))
                                       : std::string_view("unknown");
    slots[label("state", state) + "," + label("error", error)] += each.count;
  }
  for (const auto& [labels, count] : slots) out.sample(labels, count);
}

void write_stored(const Census& census, const HealthService& health, Exposition& out) {
  const auto gauge = [&](std::string_view family, std::string_view help, std::uint64_t value) {
    out.family(family, "gauge", help);
    out.sample({}, value);
  };
  gauge("mpyd_releases", "Published releases.", census.releases.releases);
  gauge("mpyd_packages", "Stored packages.", census.releases.packages);
  gauge("mpyd_package_bytes", "Bytes of all stored packages.", census.releases.package_bytes);
  gauge("mpyd_tokens", "Tokens, expired ones included.", census.tokens);
  gauge("mpyd_audit_rows", "Rows of the audit log.", census.audit_rows);
  gauge("mpyd_database_bytes", "Size of the database and its log of changes.",
        health.database_bytes());
  // An absent sample says that nobody knows, and absent() finds it.
  if (const std::uint64_t time = health.backup_unix_s(); time != 0)
    gauge("mpyd_backup_time_seconds", "When the last backup was made, since 1970.", time);
}

void write_work(const MaintenanceService& maintenance, const HealthService& health,
                Exposition& out) {
  out.family("mpyd_ready", "gauge", "1: fit to work, as /readyz says.");
  out.sample({}, health.look().empty() ? 1 : 0);
  out.family("mpyd_maintenance_runs_total", "counter", "Runs of the maintenance by result.");
  out.sample(label("result", "ok"), maintenance.runs());
  out.sample(label("result", "failed"), maintenance.failures());
  out.family("mpyd_maintenance_forgotten_total", "counter",
             "What the maintenance took out of the database.");
  out.sample(label("kind", "answered_requests"), maintenance.forgotten_requests());
  out.sample(label("kind", "expired_tokens"), maintenance.forgotten_tokens());
}

}  // namespace

Result<Response> metrics(const AdminApi& api, Request&) {
  MPYD_TRY_ASSIGN(const Census census, api.census.count());
  Exposition out;
  api.metrics.write(out);
  write_devices(census, out);
  write_stored(census, api.health, out);
  write_work(api.maintenance, api.health, out);
  return Response{.content_type = std::string(kExpositionType),
                  .headers = {{"Cache-Control", "no-store"}},
                  .body = to_vector(as_bytes(out.text()))};
}

}  // namespace mpyd::server::http::handlers
