// mpyd inventory, stats: what is plugged where, and the fleet in numbers.
#include "server/cli/commands.hpp"
#include "server/cli/device_find.hpp"
#include "server/cli/json_fields.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// An object inside an object; an empty one if it is null.
json::object part_of(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}

// thermo 1.2.0 (release 3, yanked, deprecated)
std::string title_text(const json::object& title) {
  std::string text = shown(title, "driver_name") + " " + shown(title, "version") + " (release " +
                     shown(title, "release");
  if (shown(title, "withdrawn") == "true") text += ", yanked";
  if (!is_absent(title, "deprecated")) text += ", deprecated";
  return text + ")";
}

std::string runs_text(const json::object& board) {
  if (const json::object loaded = part_of(board, "loaded"); !loaded.empty())
    return title_text(loaded);
  return is_absent(board, "loaded_digest") ? "-" : "package " + shown(board, "loaded_digest");
}

std::string why_text(const json::object& board) {
  std::string text = is_absent(board, "reason") ? "" : shown(board, "reason");
  if (!is_absent(board, "pinned_release"))
    text += (text.empty() ? "" : "; ") + ("pinned to release " + shown(board, "pinned_release"));
  return text.empty() ? "-" : text;
}

using Rows = std::vector<std::vector<std::string>>;

Outcome<void> add_counts(const json::object& answer, std::string_view list, std::string_view key,
                         std::string_view heading, std::string& text) {
  MPYD_TRY_ASSIGN(const auto counts, object_list(answer, list));
  if (counts.empty()) return {};
  Rows rows = {{std::string(heading), "COUNT"}};
  for (const json::object& count : counts) {
    const json::object title = part_of(count, key);
    rows.push_back(
        {title.empty() ? shown(count, key) : shown(title, "hardware_id") + " " + title_text(title),
         shown(count, "count")});
  }
  text += "\n" + format_table(rows);
  return {};
}

}  // namespace

Outcome<void> run_inventory(const InventoryOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  std::string device;
  if (!options.device.empty()) {
    MPYD_TRY_ASSIGN(device, find_device(client, options.device));
  }
  MPYD_TRY_ASSIGN(
      const json::object answer,
      client.get_all("/v1/admin/inventory" + query_of({{"hardware_id", options.hardware_id},
                                                       {"device", device},
                                                       {"error", options.error},
                                                       {"state", options.state},
                                                       {"limit", kListPage}}),
                     "boards"));
  MPYD_TRY_ASSIGN(const auto boards, object_list(answer, "boards"));
  Rows rows = {{"DEVICE", "NAME", "SLOT", "HARDWARE ID", "STATE", "RUNS", "SINCE", "WHY"}};
  for (const json::object& board : boards)
    rows.push_back({shown(board, "device"), shown(board, "device_name"), shown(board, "slot"),
                    shown(board, "hardware_id"), shown(board, "state"), runs_text(board),
                    shown_time(board, "since_unix_s"), why_text(board)});
  out.result(answer, format_list(rows, "no board matches"));
  return {};
}

Outcome<void> run_stats(const ServerOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options));
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.get("/v1/admin/statistics", http::kAnswerBytesMax));
  std::string text = shown(answer, "devices") + " devices, " +
                     shown(answer, "devices_seen_in_a_day") + " of them seen within a day; " +
                     shown(answer, "boards") + " boards, " + shown(answer, "loaded") +
                     " of them with a running driver; " + shown(answer, "releases") + " releases\n";
  MPYD_TRY(add_counts(answer, "devices_by_state", "state", "DEVICES", text));
  MPYD_TRY(add_counts(answer, "boards_by_state", "state", "BOARDS", text));
  MPYD_TRY(add_counts(answer, "boards_by_error", "error", "REFUSED FOR", text));
  MPYD_TRY(add_counts(answer, "refused_hardware_ids", "hardware_id", "REFUSED BOARDS", text));
  MPYD_TRY(add_counts(answer, "installs", "release", "RUNNING RELEASES", text));
  out.result(answer, text);
  return {};
}

}  // namespace mpyd::server::cli
