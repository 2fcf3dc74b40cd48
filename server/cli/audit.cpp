// mpyd audit: who did what.
#include <fmt/format.h>

#include <algorithm>

#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/token_request.hpp"
#include "server/domain/audit.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server::cli {

namespace {

namespace json = boost::json;

constexpr std::size_t kDetailValueMax = 40;
constexpr std::size_t kChangesMax = 160;

// hat:Acme:0001(floor_release): what of which policy entry changed.
std::string entries_text(const json::object& entries) {
  std::string text;
  for (const auto& entry : entries) {
    text += (text.empty() ? "" : ",") + std::string(entry.key());
    text += '(' + joined_texts(entries, entry.key()) + ')';
  }
  return text;
}

// Digests and lists are for programs: --json.
std::string value_text(const json::object& detail, const json::key_value_pair& field) {
  if (field.value().is_object()) {
    const std::string changes = entries_text(field.value().get_object());
    return changes.size() > kChangesMax ? changes.substr(0, kChangesMax) + "..." : changes;
  }
  const std::string value = shown(detail, field.key());
  return value.size() > kDetailValueMax ? value.substr(0, 12) + "..." : value;
}

// error=driver_error slot=0: what the row says beyond who, what and on what.
std::string detail_text(const json::object& event) {
  const json::value* detail = event.if_contains("detail");
  if (detail == nullptr || !detail->is_object()) return "-";
  const json::object& fields = detail->get_object();
  std::string text;
  for (const auto& field : fields)
    text += (text.empty() ? "" : " ") + std::string(field.key()) + "=" + value_text(fields, field);
  return text.empty() ? "-" : text;
}

}  // namespace

Outcome<void> run_audit(const AuditOptions& options, const Output& out) {
  std::uint64_t since = 0;
  if (!options.since.empty()) {
    MPYD_TRY_ASSIGN(const std::uint64_t seconds, parse_duration(options.since));
    const auto now = SystemClock().now_unix_s();
    since = now - std::min(seconds, now);
  }
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(
      json::object answer,
      client.get("/v1/admin/audit" +
                     query_of({{"limit", std::to_string(options.limit)},
                               {"order", options.after == 0 ? "newest" : ""},
                               {"after", options.after == 0 ? "" : std::to_string(options.after)},
                               {"actor", options.actor},
                               {"action", options.action},
                               {"since", options.since.empty() ? "" : std::to_string(since)}}),
                 http::kAnswerBytesMax));
  MPYD_TRY_ASSIGN(const auto events, object_list(answer, "events"));
  std::vector<std::vector<std::string>> rows = {{"NUMBER", "TIME", "WHO", "WHAT", "ON", "DETAIL"}};
  for (const boost::json::object& event : events)
    rows.push_back({shown(event, "id"), shown_time(event, "time_unix_s"), shown(event, "actor"),
                    shown(event, "action"), shown(event, "subject"), detail_text(event)});
  MPYD_TRY_ASSIGN(const json::object chain, client.get("/v1/admin/audit/chain?limit=0"));
  MPYD_TRY_ASSIGN(const std::string told, text_field(chain, "head"));
  MPYD_TRY_ASSIGN(const AuditHead head_row, parse_audit_head(told));
  const std::string head = format_audit_head(head_row);
  answer["head"] = head;
  out.result(answer, format_list(rows,
                                 "no row of the log matches; mpyd audit without a filter "
                                 "shows what there is"));
  if (options.after == 0 && events.size() == options.limit)
    out.say(fmt::format("these are the newest {}; there may be older rows: --limit or --since",
                        events.size()));
  out.say("head " + head);
  return {};
}

}  // namespace mpyd::server::cli
