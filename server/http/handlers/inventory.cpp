#include <algorithm>

#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"
#include "server/http/list_query.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kAnySlot = 0xffffffff;  // a slot's number is smaller

json::value text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return json::string(text);
}

// Null: nothing that this server published.
json::value title_json(const ReleaseTitle& title) {
  if (title.driver_name.empty()) return nullptr;
  return json::object{
      {"hardware_id", title.hardware_id}, {"driver_name", title.driver_name},
      {"version", title.version},         {"release", title.release},
      {"withdrawn", title.withdrawn},     {"deprecated", text_or_null(title.deprecated)}};
}

json::object row_json(const InventoryRow& row) {
  const DeviceSlot& slot = row.slot;
  json::object out{{"device", row.device_id},
                   {"device_name", row.device_name},
                   {"last_seen_unix_s", row.last_seen_unix_s},
                   {"slot", slot.slot},
                   {"hardware_id", text_or_null(slot.hardware_id)},
                   {"revision", slot.revision},
                   {"serial", nullptr},
                   {"state", slot_state_name(slot.state)},
                   {"error", nullptr},
                   {"reason", nullptr},
                   {"loaded_digest", nullptr},
                   {"loaded", title_json(row.loaded)},
                   {"pinned_release", nullptr},
                   {"since_unix_s", slot.since_unix_s}};
  if (!slot.serial.empty()) out["serial"] = to_hex({slot.serial.begin(), slot.serial.size()});
  if (slot.error != 0) {
    out["error"] = name(static_cast<Errc>(slot.error));
    out["reason"] = describe(static_cast<Errc>(slot.error));
  }
  if (!slot.loaded_digest.is_zero()) out["loaded_digest"] = to_hex(slot.loaded_digest.bytes());
  if (row.pinned_release != 0) out["pinned_release"] = row.pinned_release;
  return out;
}

// The number, below 256, whose name this is.
template <class Name>
std::optional<std::uint32_t> number_named(std::string_view text, const Name& name_of) {
  for (std::uint32_t number = 1; number < 256; ++number)
    if (text != "unknown" && name_of(number) == text) return number;
  return std::nullopt;
}

std::string_view error_name(std::uint32_t number) { return name(static_cast<Errc>(number)); }

Result<InventoryStore::Filter> read_filter(const Request& request, const ListQuery& list) {
  InventoryStore::Filter filter{.device_id = read_text(request, "device"),
                                .count_max = list.limit()};
  if (const auto text = request.asked("hardware_id")) {
    MPYD_TRY_ASSIGN(const HardwareId id, read_hardware_id(*text));
    filter.hardware_id = id.view();
  }
  if (const auto text = request.asked("state")) {
    filter.state = number_named(*text, slot_state_name);
    if (!filter.state)
      return fail(Errc::invalid_argument,
                  "state is identifying, unidentified, waiting, fetching, verifying, running or "
                  "refused");
  }
  if (const auto text = request.asked("error")) {
    filter.error =
        *text == "none" ? std::optional<std::uint32_t>(0) : number_named(*text, error_name);
    if (!filter.error)
      return fail(Errc::invalid_argument,
                  "error is none, or a code such as no_driver; schema/problems.md has them all");
  }
  if (list.after().empty()) return filter;
  MPYD_TRY_ASSIGN(const std::uint64_t slot, list.after_number(1));
  filter.after = InventoryStore::Filter::Position{
      .device_id = list.after().front(),
      .slot = static_cast<std::uint32_t>(std::min(slot, kAnySlot))};
  return filter;
}

template <class Key, class ToJson>
json::array counts_json(const std::vector<Statistics::Count<Key>>& counts, const char* key,
                        const ToJson& to_json) {
  json::array out;
  for (const auto& row : counts)
    out.push_back(json::object{{key, to_json(row.key)}, {"count", row.count}});
  return out;
}

}  // namespace

Result<Response> list_inventory(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request));
  MPYD_TRY_ASSIGN(const InventoryStore::Filter filter, read_filter(request, list));
  MPYD_TRY_ASSIGN(const auto page, api.inventory.list(filter));
  json::array out;
  for (const InventoryRow& row : page.items) out.push_back(row_json(row));
  Response response = json_response(200, {{"boards", std::move(out)}});
  if (page.has_more) {
    const InventoryRow& last = page.items.back();
    list.link_next(response, request, {last.device_id, std::to_string(last.slot.slot)});
  }
  return response;
}

Result<Response> statistics(const AdminApi& api, Request&) {
  MPYD_TRY_ASSIGN(const auto numbers, api.inventory.statistics());
  const Statistics& fleet = numbers.fleet;
  const auto state = [](std::uint32_t number) { return json::value(slot_state_name(number)); };
  const auto error = [](std::uint32_t number) { return json::value(error_name(number)); };
  return json_response(
      200,
      {{"devices", fleet.devices},
       {"devices_seen_in_a_day", fleet.devices_seen},
       {"devices_by_state", counts_json(fleet.devices_by_state, "state",
                                        [](DeviceState key) { return json::value(name(key)); })},
       {"boards", fleet.boards},
       {"loaded", fleet.loaded},
       {"boards_by_state", counts_json(fleet.boards_by_state, "state", state)},
       {"boards_by_error", counts_json(fleet.boards_by_error, "error", error)},
       {"refused_hardware_ids",
        counts_json(fleet.refused_hardware_ids, "hardware_id",
                    [](const std::string& key) { return json::value(key); })},
       {"releases", numbers.releases},
       {"installs", counts_json(fleet.installs, "release", title_json)}});
}

}  // namespace mpyd::server::http::handlers
