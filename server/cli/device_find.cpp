#include "server/cli/device_find.hpp"

#include <algorithm>

#include "server/cli/json_fields.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kPrefixDigitsMin = 4;
constexpr std::size_t kCandidatesShown = 8;

bool is_id(std::string_view text) {
  return text.size() == kIdDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Outcome<std::vector<json::object>> devices_where(
    const AdminClient& client, std::initializer_list<std::pair<const char*, std::string>> filter) {
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.get_all("/v1/admin/devices" + query_of(filter), "devices"));
  return object_list(answer, "devices");
}

bool is_out(const json::object& device) { return shown(device, "revoked") == "true"; }

std::string names_of(const std::vector<json::object>& devices) {
  std::string out;
  for (std::size_t i = 0; i < std::min(devices.size(), kCandidatesShown); ++i) {
    if (i != 0) out += ", ";
    out += shown(devices[i], "id") + " (";
    out += shown(devices[i], "name").empty() ? "no name" : shown(devices[i], "name");
    out += ")";
  }
  if (devices.size() > kCandidatesShown)
    out += " and " + std::to_string(devices.size() - kCandidatesShown) + " more";
  return out;
}

}  // namespace

Outcome<std::string> find_device(const AdminClient& client, const std::string& text) {
  // Asked for as it is: the server says whether there is one.
  if (is_id(text)) return text;
  MPYD_TRY_ASSIGN(auto devices, devices_where(client, {{"name", text}}));
  if (text.size() >= kPrefixDigitsMin) {
    MPYD_TRY_ASSIGN(auto others, devices_where(client, {{"id_prefix", text}}));
    std::erase_if(others, [&](const json::object& each) { return shown(each, "name") == text; });
    std::ranges::move(others, std::back_inserter(devices));
  }
  if (std::ranges::count_if(devices, is_out) + 1 == static_cast<std::ptrdiff_t>(devices.size()))
    std::erase_if(devices, is_out);
  if (devices.empty())
    return failure(Errc::not_found,
                   "no device has the ID or the name '" + text +
                       "', and no ID starts with it (four digits at least)",
                   "mpyd device list shows them");
  if (devices.size() > 1)
    return failure(Errc::conflict, "'" + text + "' may be any of " + names_of(devices),
                   "give more digits of its ID");
  return shown(devices.front(), "id");
}

}  // namespace mpyd::server::cli
