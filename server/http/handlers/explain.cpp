#include <limits>

#include "server/http/handlers/clones.hpp"
#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

// Of the device named, as it last reported it, or as given.
Result<Abi> asked_abi(const AdminApi& api, const Request& request) {
  if (const auto text = request.query("abi"); !text.empty()) return read_device_abi(text);
  const std::string_view id = request.query("device");
  if (id.empty()) return fail(Errc::invalid_argument, "name a device or an abi");
  MPYD_TRY_ASSIGN(const auto detail, api.devices.show(id));
  if (detail.device.last_seen_unix_s == 0)
    return fail(Errc::conflict,
                "the device " + std::string(id) + " has not told its ABI yet; give abi= as well");
  return detail.device.abi;
}

json::object chosen_json(const Resolution::Chosen& chosen) {
  return {{"driver_name", chosen.driver_name.view()},
          {"version", chosen.version.view()},
          {"release", chosen.release},
          {"abi", format_abi(chosen.variant.abi).view()},
          {"digest", to_hex(chosen.variant.digest.bytes())},
          {"bytes", chosen.variant.package_bytes},
          {"unchecked", chosen.variant.unchecked}};
}

// What the device last said of its boards of this hardware ID.
Result<json::array> reported_json(const AdminApi& api, const Request& request,
                                  const HardwareId& hardware_id) {
  json::array out;
  const std::string_view id = request.query("device");
  if (id.empty()) return out;
  MPYD_TRY_ASSIGN(const auto detail, api.devices.show(id));
  for (const DeviceSlot& slot : detail.slots) {
    if (slot.hardware_id != hardware_id.view()) continue;
    json::object row{{"slot", slot.slot},
                     {"revision", slot.revision},
                     {"state", slot_state_name(slot.state)},
                     {"error", nullptr},
                     {"reason", nullptr},
                     {"loaded_digest", nullptr},
                     {"since_unix_s", slot.since_unix_s},
                     {"clones", clones_json(detail, slot.slot)}};
    if (slot.error != 0) {
      row["error"] = name(static_cast<Errc>(slot.error));
      row["reason"] = describe(static_cast<Errc>(slot.error));
    }
    if (!slot.loaded_digest.is_zero()) row["loaded_digest"] = to_hex(slot.loaded_digest.bytes());
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

Result<Response> explain(const AdminApi& api, Request& request) {
  Board board;
  MPYD_TRY_ASSIGN(board.hardware_id, read_hardware_id(request.query("hardware_id")));
  if (const auto text = request.query("revision"); !text.empty()) {
    MPYD_TRY_ASSIGN(const std::uint64_t revision,
                    read_number("revision", text, std::numeric_limits<std::uint32_t>::max()));
    board.revision = static_cast<std::uint32_t>(revision);
  }
  MPYD_TRY_ASSIGN(board.device, asked_abi(api, request));
  MPYD_TRY_ASSIGN(const Explanation explanation, api.resolve.explain(board));

  json::array rejected;
  for (const Explanation::Rejected& row : explanation.rejected)
    rejected.push_back(json::object{{"version", row.version.view()},
                                    {"release", row.release},
                                    {"abi", row.abi.view()},
                                    {"digest", to_hex(row.digest.bytes())},
                                    {"reason", row.reason}});
  const Resolution& resolution = explanation.resolution;
  json::object body{
      {"chosen", nullptr}, {"message", resolution.message}, {"rejected", std::move(rejected)}};
  MPYD_TRY_ASSIGN(body["reported"], reported_json(api, request, board.hardware_id));
  if (resolution.chosen)
    body["chosen"] = chosen_json(*resolution.chosen);
  else
    body["code"] = name(resolution.code);
  return json_response(200, body);
}

}  // namespace mpyd::server::http::handlers
