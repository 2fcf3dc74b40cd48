#include "protocol/limits.hpp"
#include "server/http/handlers/clones.hpp"
#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"
#include "server/http/list_query.hpp"
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

json::object pin_json(const DevicePin& pin) {
  return {{"hardware_id", pin.hardware_id},
          {"release", pin.release},
          {"since_unix_s", pin.since_unix_s}};
}

Result<DeviceService::PinRequest> read_pin(const Request& request) {
  DeviceService::PinRequest out;
  MPYD_TRY_ASSIGN(out.hardware_id, read_hardware_id(request.params[1]));
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  MPYD_TRY_ASSIGN(const auto release, fields.optional_number("release", 0xffffffff));
  MPYD_TRY_ASSIGN(const std::string version, fields.text_or("version", ""));
  MPYD_TRY(fields.done());
  out.release = static_cast<std::uint32_t>(release.value_or(0));
  if ((out.release == 0) == version.empty())
    return fail(Errc::invalid_argument, "name a release by its number, from 1, or by its version");
  if (!version.empty()) {
    MPYD_TRY_ASSIGN(out.version, read_version(version));
  }
  return out;
}

constexpr std::string_view kOrders[] = {"id", "-id", "name", "-name", "last_seen", "-last_seen"};

Result<DeviceStore::Filter> read_filter(const Request& request, const ListQuery& list) {
  DeviceStore::Filter filter{.name = read_text(request, "name"),
                             .name_prefix = std::string(request.query("name_prefix")),
                             .id_prefix = std::string(request.query("id_prefix")),
                             .token_name = read_text(request, "token"),
                             .is_descending = list.is_descending(),
                             .count_max = list.limit()};
  if (const auto text = request.asked("state")) {
    filter.state = device_state_named(*text);
    if (!filter.state)
      return fail(Errc::invalid_argument, "state is enrolled, waiting, revoked or replaced");
  }
  if (const auto text = request.asked("hardware_id")) {
    MPYD_TRY_ASSIGN(const HardwareId id, read_hardware_id(*text));
    filter.hardware_id = id.view();
  }
  MPYD_TRY_ASSIGN(const auto seen_from, read_time(request, "seen_from"));
  filter.seen_from_unix_s = seen_from.value_or(0);
  MPYD_TRY_ASSIGN(filter.seen_before_unix_s, read_time(request, "seen_before"));
  MPYD_TRY_ASSIGN(filter.is_troubled, read_flag(request, "trouble"));
  if (list.order() == "name") filter.order = DeviceStore::Order::name;
  if (list.order() == "last_seen") filter.order = DeviceStore::Order::last_seen;
  if (list.after().empty()) return filter;
  DeviceStore::Filter::Position after{.id = list.after().front()};
  if (filter.order == DeviceStore::Order::name) after.name = list.after().back();
  if (filter.order == DeviceStore::Order::last_seen) {
    MPYD_TRY_ASSIGN(after.last_seen_unix_s, list.after_number(1));
  }
  filter.after = std::move(after);
  return filter;
}

// Where the page ends, as read_filter() reads it.
std::vector<std::string> position_of(const Device& device, DeviceStore::Order order) {
  switch (order) {
    case DeviceStore::Order::name:
      return {device.id, device.name};
    case DeviceStore::Order::last_seen:
      return {device.id, std::to_string(device.last_seen_unix_s)};
    case DeviceStore::Order::id:
      break;
  }
  return {device.id};
}

}  // namespace

Result<Response> list_devices(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request, kOrders));
  MPYD_TRY_ASSIGN(const DeviceStore::Filter filter, read_filter(request, list));
  MPYD_TRY_ASSIGN(const auto page, api.devices.list(filter));
  json::array out;
  for (const auto& [device, troubled, cloned] : page.items) {
    json::object row = device_json(device);
    row["trouble"] = trouble_of(device, troubled, cloned);
    out.push_back(std::move(row));
  }
  Response response = json_response(200, {{"devices", std::move(out)}});
  if (page.has_more)
    list.link_next(response, request, position_of(page.items.back().device, filter.order));
  return response;
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
  json::array pins;
  for (const DevicePin& pin : detail.pins) pins.push_back(pin_json(pin));
  out["pins"] = std::move(pins);
  Response response = json_response(200, out);
  // What every sync may change: whoever looks at a motherboard and then changes it would never be
  // done. Of its boards all is guarded: they are another's only when somebody was there.
  for (const char* const name : {"last_seen_unix_s", "refusals", "events_dropped", "trouble"})
    out.erase(name);
  response.guarded = json_response(200, out).body;
  return response;
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
  api.resolve.releases_changed();  // its pins are the other one's now
  return json_response(200, device_json(device));
}

Result<Response> try_again(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const std::uint64_t slot,
                  read_number("the slot", request.params[1], kBoardsPerSyncMax - 1));
  MPYD_TRY(
      api.devices.try_again(request.params[0], static_cast<std::uint32_t>(slot), request.actor));
  return Response{.status = 204};
}

Result<Response> pin_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto wanted, read_pin(request));
  MPYD_TRY_ASSIGN(const DevicePin pin, api.devices.pin(request.params[0], wanted, request.actor));
  api.resolve.releases_changed();
  return json_response(200, pin_json(pin));
}

Result<Response> unpin_device(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const HardwareId hardware_id, read_hardware_id(request.params[1]));
  MPYD_TRY(api.devices.unpin(request.params[0], hardware_id, request.actor));
  api.resolve.releases_changed();
  return Response{.status = 204};
}

}  // namespace mpyd::server::http::handlers
