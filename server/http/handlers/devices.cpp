#include "protocol/limits.hpp"
#include "server/http/handlers/clones.hpp"
#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

json::value digest_or_null(const Digest& digest) {
  if (digest.is_zero()) return nullptr;
  return json::string(to_hex(digest.bytes()));
}

json::object device_json(const Device& device) {
  json::object out{{"id", device.id},
                   {"name", device.name},
                   {"public_key", to_hex(device.public_key.bytes())},
                   {"state", name(device.state)},
                   {"revoked", device.is_out()},
                   {"enrolled_unix_s", device.enrolled_unix_s},
                   {"token_name", nullptr},
                   {"refusals", device.refusals},
                   {"events_dropped", device.event_drops},
                   {"last_seen_unix_s", nullptr},
                   {"abi", nullptr},
                   {"firmware", nullptr},
                   {"agent_version", nullptr}};
  if (!device.token_name.empty()) out["token_name"] = device.token_name;
  if (device.last_seen_unix_s == 0) return out;
  out["last_seen_unix_s"] = device.last_seen_unix_s;
  out["abi"] = format_device_abi(device.abi).view();
  out["firmware"] = device.firmware;
  out["agent_version"] = device.agent_version;
  return out;
}

// What an operator should look at: one phrase, or null.
json::value trouble_of(const Device& device, const std::vector<DeviceSlot>& troubled,
                       const std::vector<std::uint32_t>& cloned) {
  std::string text;
  if (device.refusals >= kRefusalsOfTrouble)
    text = std::to_string(device.refusals) + " reports with refusals in a row";
  for (const DeviceSlot& slot : troubled)
    text += (text.empty() ? "slot " : ", slot ") + std::to_string(slot.slot) + " " +
            std::string(name(static_cast<Errc>(slot.error)));
  for (const std::uint32_t slot : cloned)
    text += (text.empty() ? "slot " : ", slot ") + std::to_string(slot) + " cloned";
  if (text.empty()) return nullptr;
  return json::string(text);
}

json::object slot_json(const DeviceService::Detail& detail, const DeviceSlot& slot) {
  json::object out{{"slot", slot.slot},
                   {"hardware_id", nullptr},
                   {"revision", slot.revision},
                   {"serial", nullptr},
                   {"state", slot_state_name(slot.state)},
                   {"error", nullptr},
                   {"eeprom_digest", digest_or_null(slot.eeprom_digest)},
                   {"loaded_digest", digest_or_null(slot.loaded_digest)},
                   {"since_unix_s", slot.since_unix_s},
                   {"try_again_pending", slot.is_retry_pending()},
                   {"trying_again", slot.retries != 0},
                   {"clones", clones_json(detail, slot.slot)}};
  if (!slot.hardware_id.empty()) out["hardware_id"] = slot.hardware_id;
  if (!slot.serial.empty()) out["serial"] = to_hex({slot.serial.begin(), slot.serial.size()});
  if (slot.error != 0) out["error"] = name(static_cast<Errc>(slot.error));
  return out;
}

}  // namespace

Result<Response> list_devices(const AdminApi& api, Request& request) {
  const std::string_view state = request.query("state");
  MPYD_TRY_ASSIGN(const auto devices, api.devices.list());
  json::array out;
  for (const auto& [device, troubled, cloned] : devices) {
    if (!state.empty() && name(device.state) != state) continue;
    json::object row = device_json(device);
    row["trouble"] = trouble_of(device, troubled, cloned);
    out.push_back(std::move(row));
  }
  return json_response(200, {{"devices", std::move(out)}});
}

Result<Response> enroll_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  MPYD_TRY_ASSIGN(const std::string hex, fields.text("public_key"));
  MPYD_TRY_ASSIGN(const std::string name, fields.text_or("name", ""));
  MPYD_TRY(fields.done());
  MPYD_TRY_ASSIGN(const auto public_key, fixed_from_hex<ExchangeKey>(hex));
  MPYD_TRY_ASSIGN(const auto enrolled, api.devices.enroll(public_key, name, request.actor));
  return json_response(enrolled.existed ? 200 : 201, device_json(enrolled.device));
}

Result<Response> show_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto detail, api.devices.show(request.params[0]));
  json::object out = device_json(detail.device);
  json::array boards;
  std::vector<DeviceSlot> troubled;
  for (const DeviceSlot& slot : detail.slots) {
    boards.push_back(slot_json(detail, slot));
    if (is_trouble(slot.error)) troubled.push_back(slot);
  }
  std::vector<std::uint32_t> cloned;
  for (const auto& clone : detail.clones)
    if (cloned.empty() || cloned.back() != clone.slot) cloned.push_back(clone.slot);
  out["trouble"] = trouble_of(detail.device, troubled, cloned);
  out["boards"] = std::move(boards);
  return json_response(200, out);
}

Result<Response> revoke_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Device device, api.devices.revoke(request.params[0], request.actor));
  return json_response(200, device_json(device));
}

Result<Response> approve_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Device device, api.devices.approve(request.params[0], request.actor));
  return json_response(200, device_json(device));
}

Result<Response> replace_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  MPYD_TRY_ASSIGN(const std::string by, fields.text("by"));
  MPYD_TRY(fields.done());
  MPYD_TRY_ASSIGN(const Device device, api.devices.replace(request.params[0], by, request.actor));
  return json_response(200, device_json(device));
}

Result<Response> try_again(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const std::uint64_t slot,
                  read_number("the slot", request.params[1], kBoardsPerSyncMax - 1));
  MPYD_TRY(
      api.devices.try_again(request.params[0], static_cast<std::uint32_t>(slot), request.actor));
  return Response{.status = 204};
}

}  // namespace mpyd::server::http::handlers
