// mpyd audit: who did what.
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"

namespace mpyd::server::cli {

Outcome<void> run_audit(const AuditOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(
      const boost::json::object answer,
      client.get("/v1/admin/audit" +
                 query_of({{"limit", std::to_string(options.limit)},
                           {"after", options.after == 0 ? "" : std::to_string(options.after)}})));
  MPYD_TRY_ASSIGN(const auto events, object_list(answer, "events"));
  std::vector<std::vector<std::string>> rows = {{"NUMBER", "TIME", "WHO", "WHAT", "ON"}};
  for (const boost::json::object& event : events)
    rows.push_back({shown(event, "id"), shown_time(event, "time_unix_s"), shown(event, "actor"),
                    shown(event, "action"), shown(event, "subject")});
  out.result(answer, format_table(rows));
  return {};
}

}  // namespace mpyd::server::cli
