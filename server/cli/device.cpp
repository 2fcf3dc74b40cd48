// mpyd device: enrolled motherboards. device_provision.cpp makes them.
#include <algorithm>
#include <boost/json/array.hpp>

#include "server/cli/clone_text.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/device_find.hpp"
#include "server/cli/host_port.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/token_request.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

std::string path_of(const std::string& id) { return "/v1/admin/devices/" + path_segment(id); }

// One line per field but lists; times as people read them.
std::string field_lines(const json::object& answer) {
  constexpr std::string_view kTimeEnd = "_unix_s";
  std::string text;
  for (const auto& field : answer) {
    const std::string_view key = field.key();
    if (field.value().is_array()) continue;
    const bool is_time = key.ends_with(kTimeEnd);
    text += std::string(is_time ? key.substr(0, key.size() - kTimeEnd.size()) : key) + "  " +
            (is_time ? shown_time(answer, key) : shown(answer, key)) + "\n";
  }
  return text;
}

std::string error_text(const json::object& board) {
  std::string text = shown(board, "error");
  if (shown(board, "try_again_pending") == "true")
    text += " (try-again pending)";
  else if (shown(board, "trying_again") == "true")
    text += " (told to try again)";
  return text;
}

}  // namespace

Outcome<void> run_device_list(const DeviceListOptions& options, const Output& out) {
  std::uint64_t unseen_since = 0;
  if (!options.unseen.empty()) {
    MPYD_TRY_ASSIGN(const std::uint64_t seconds, parse_duration(options.unseen));
    const std::uint64_t now = SystemClock().now_unix_s();
    unseen_since = now - std::min(seconds, now);
  }
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(
      const json::object answer,
      client.get_all(
          "/v1/admin/devices" +
              query_of({{"state", options.waiting ? "waiting" : options.state},
                        {"name_prefix", options.name},
                        {"token", options.token},
                        {"hardware_id", options.hardware_id},
                        {"trouble", options.trouble ? "1" : ""},
                        {"seen_before", options.unseen.empty() ? "" : std::to_string(unseen_since)},
                        {"sort", options.sort},
                        {"limit", kListPage}}),
          "devices"));
  MPYD_TRY_ASSIGN(const auto devices, object_list(answer, "devices"));
  std::vector<std::vector<std::string>> rows = {
      {"ID", "NAME", "TOKEN", "ABI", "LAST SEEN", "STATE", "TROUBLE"}};
  for (const json::object& device : devices)
    rows.push_back({shown(device, "id"), shown(device, "name"), shown(device, "token_name"),
                    shown(device, "abi"), shown_time(device, "last_seen_unix_s"),
                    shown(device, "state"), shown(device, "trouble")});
  out.result(answer, format_list(rows, "no device matches"));
  return {};
}

Outcome<void> run_device_show(const DeviceOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const std::string id, find_device(client, options.id));
  MPYD_TRY_ASSIGN(const json::object answer, client.get(path_of(id)));
  const std::string text = field_lines(answer);
  MPYD_TRY_ASSIGN(const auto boards, object_list(answer, "boards"));
  std::vector<std::vector<std::string>> rows = {
      {"SLOT", "HARDWARE ID", "REVISION", "STATE", "SINCE", "ERROR", "PACKAGE"}};
  std::string clones;
  for (const json::object& board : boards) {
    rows.push_back({shown(board, "slot"), shown(board, "hardware_id"), shown(board, "revision"),
                    shown(board, "state"), shown_time(board, "since_unix_s"), error_text(board),
                    shown(board, "loaded_digest")});
    clones += clones_text(board);
  }
  MPYD_TRY_ASSIGN(const auto pins, object_list(answer, "pins"));
  std::string pinned;
  for (const json::object& pin : pins)
    pinned += "pinned: " + shown(pin, "hardware_id") + " to release " + shown(pin, "release") +
              " (since " + shown_time(pin, "since_unix_s") + ")\n";
  out.result(answer, (boards.empty() ? text : text + "\n" + format_table(rows) + clones) + pinned);
  return {};
}

Outcome<void> run_device_revoke(const DeviceOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const std::string id, find_device(client, options.id));
  MPYD_TRY_ASSIGN(const json::object answer, client.post(path_of(id) + "/revoke", {}));
  out.say(
      "its next sync is refused. What it could open before it may still know: rotate the fleet "
      "key if it is in wrong hands (mpyd trust rotate fleet)");
  out.result(answer, "revoked " + id);
  return {};
}

Outcome<void> run_device_approve(const DeviceApproveOptions& options, const Output& out) {
  if (options.ids.empty() != options.all)
    return failure(Errc::invalid_argument, "which devices?",
                   "name their IDs, or give --all; mpyd device list --waiting shows them");
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  std::vector<std::string> ids;
  for (const std::string& text : options.ids) {
    MPYD_TRY_ASSIGN(std::string id, find_device(client, text));
    ids.push_back(std::move(id));
  }
  if (options.all) {
    MPYD_TRY_ASSIGN(const json::object answer,
                    client.get_all("/v1/admin/devices?state=waiting&limit=1000", "devices"));
    MPYD_TRY_ASSIGN(const auto waiting, object_list(answer, "devices"));
    for (const json::object& device : waiting) {
      ids.push_back(shown(device, "id"));
      out.say(ids.back() + " by token " + shown(device, "token_name"));
    }
    if (!ids.empty())
      MPYD_TRY(out.confirm("approve these " + std::to_string(ids.size()) + "?", options.yes));
  }
  json::array devices;
  for (const std::string& id : ids) {
    MPYD_TRY_ASSIGN(json::object answer,
                    explain_as(client.post(path_of(id) + "/approve", {}), "approving " + id));
    devices.push_back(std::move(answer));
  }
  out.result({{"devices", std::move(devices)}},
             "approved " + std::to_string(ids.size()) + (ids.size() == 1 ? " device" : " devices"));
  return {};
}

Outcome<void> run_device_replace(const DeviceReplaceOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const std::string old, find_device(client, options.id));
  MPYD_TRY_ASSIGN(const std::string next, find_device(client, options.successor));
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.post(path_of(old) + "/replace", {{"by", next}}));
  const std::string name = shown(answer, "name");
  out.result(answer, next + " took the place of " + old + (name.empty() ? "" : ", as " + name) +
                         "; the key of " + old + " counts for nothing any more");
  return {};
}

Outcome<void> run_device_try_again(const DeviceTryAgainOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const std::string id, find_device(client, options.id));
  MPYD_TRY_ASSIGN(
      json::object answer,
      advise(client.post(path_of(id) + "/slots/" + std::to_string(options.slot) + "/try-again", {}),
             Errc::conflict, "mpyd device show " + options.id + " tells what its slots report"));
  answer["id"] = id;
  answer["slot"] = options.slot;
  out.result(answer,
             "once it reports the quarantine again, the device may load the driver of slot " +
                 std::to_string(options.slot) + "; until then that stays pending");
  return {};
}

Outcome<void> run_device_move(const DeviceMoveOptions& options, const Output& out) {
  if (options.cancel && !options.to.empty())
    return failure(Errc::invalid_argument, "either --to or --cancel");
  constexpr const char* kPath = "/v1/admin/device-server";
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  if (options.cancel) {
    MPYD_TRY(client.remove(kPath));
    out.result({{"host", nullptr}, {"port", nullptr}},
               "devices are told of no other place; those that moved stay where they are");
    return {};
  }
  json::object answer;
  if (options.to.empty()) {
    MPYD_TRY_ASSIGN(answer, client.get(kPath));
  } else {
    MPYD_TRY_ASSIGN(const HostPort to, parse_host_port(options.to));
    MPYD_TRY_ASSIGN(answer, client.put(kPath, {{"host", to.host}, {"port", to.port}}));
  }
  out.result(answer, is_absent(answer, "host")
                         ? std::string("devices are told of no other place")
                         : "from their next sync on devices look for the server at " +
                               shown(answer, "host") + ":" + shown(answer, "port"));
  return {};
}

}  // namespace mpyd::server::cli
