#include "server/services/policy_json.hpp"

#include <boost/json/array.hpp>

#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

namespace json = boost::json;

template <class List>
json::array hex_list(const List& values) {
  json::array out;
  for (const auto& value : values) out.emplace_back(to_hex(value.bytes()));
  return out;
}

}  // namespace

std::string_view mode_name(trust::ReleaseMode mode) {
  return mode == trust::ReleaseMode::publisher ? "publisher" : "approved_only";
}

json::object policy_json(const trust::PolicyEntry& entry) {
  return {{"hardware_id", entry.hardware_id.view()},
          {"driver_name", entry.driver_name.view()},
          {"publisher_keys", hex_list(entry.publisher_keys)},
          {"threshold", entry.threshold},
          {"floor_release", entry.floor_release},
          {"mode", mode_name(entry.mode)},
          {"approved_digests", hex_list(entry.approved_digests)},
          {"revoked_digests", hex_list(entry.revoked_digests)},
          {"pinned_digests", hex_list(entry.pinned_digests)},
          {"eeprom_packages", entry.eeprom_packages},
          {"unchecked_packages", entry.unchecked_packages},
          {"board_refused", entry.board_refused}};
}

}  // namespace mpyd::server
