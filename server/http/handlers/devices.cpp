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
                   {"revoked", device.state == DeviceState::revoked},
                   {"enrolled_unix_s", device.enrolled_unix_s},
                   {"last_seen_unix_s", nullptr},
                   {"abi", nullptr},
                   {"firmware", nullptr},
                   {"agent_version", nullptr}};
  if (device.last_seen_unix_s == 0) return out;
  out["last_seen_unix_s"] = device.last_seen_unix_s;
  out["abi"] = format_device_abi(device.abi).view();
  out["firmware"] = device.firmware;
  out["agent_version"] = device.agent_version;
  return out;
}

json::object slot_json(const DeviceSlot& slot) {
  json::object out{{"slot", slot.slot},
                   {"hardware_id", nullptr},
                   {"revision", slot.revision},
                   {"serial", nullptr},
                   {"state", slot_state_name(slot.state)},
                   {"error", nullptr},
                   {"eeprom_digest", digest_or_null(slot.eeprom_digest)},
                   {"loaded_digest", digest_or_null(slot.loaded_digest)},
                   {"since_unix_s", slot.since_unix_s}};
  if (!slot.hardware_id.empty()) out["hardware_id"] = slot.hardware_id;
  if (!slot.serial.empty()) out["serial"] = to_hex({slot.serial.begin(), slot.serial.size()});
  if (slot.error != 0) out["error"] = name(static_cast<Errc>(slot.error));
  return out;
}

}  // namespace

Result<Response> list_devices(const AdminApi& api, Request&) {
  MPYD_TRY_ASSIGN(const auto devices, api.devices.list());
  json::array out;
  for (const Device& device : devices) out.push_back(device_json(device));
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
  for (const DeviceSlot& slot : detail.slots) boards.push_back(slot_json(slot));
  out["boards"] = std::move(boards);
  return json_response(200, out);
}

Result<Response> revoke_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Device device, api.devices.revoke(request.params[0], request.actor));
  return json_response(200, device_json(device));
}

}  // namespace mpyd::server::http::handlers
