// mpyd search: drivers by a part of their name or of their hardware ID.
#include <fmt/format.h>
#include <algorithm>
#include <boost/json/array.hpp>
#include <iterator>

#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/published.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// More are not asked for one by one: then the whole list is read, once.
constexpr std::size_t kAskedSinglyMax = 16;

// As hardware IDs write it: "Meadow Instruments" is a part of hat:Meadow%20Instruments:0042.
// Names of drivers have no byte that is encoded.
std::string as_in_hardware_ids(const std::string& text) {
  constexpr std::string_view kKept =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-:%";
  std::string out;
  for (const char c : text) {
    if (kKept.find(c) == std::string_view::npos)
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

// Hardware IDs with releases that the text is a part of, or of whose driver's name.
Outcome<std::vector<std::string>> find_hardware_ids(const AdminClient& client,
                                                    const std::string& text) {
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.get_all("/v1/admin/drivers" + query_of({{"text", as_in_hardware_ids(text)},
                                                                 {"limit", kListPage}}),
                                 "drivers"));
  MPYD_TRY_ASSIGN(const auto drivers, object_list(answer, "drivers"));
  std::vector<std::string> out;
  for (const json::object& driver : drivers) {
    MPYD_TRY_ASSIGN(const std::uint64_t releases, number_field(driver, "releases"));
    MPYD_TRY_ASSIGN(std::string id, text_field(driver, "hardware_id"));
    if (releases != 0) out.push_back(std::move(id));
  }
  return out;
}

Outcome<std::vector<PublishedDriver>> find_drivers(const AdminClient& client,
                                                   const std::string& text) {
  if (text.empty()) return list_published(client, "", "");
  MPYD_TRY_ASSIGN(const std::vector<std::string> ids, find_hardware_ids(client, text));
  std::vector<PublishedDriver> out;
  if (ids.size() > kAskedSinglyMax) {
    MPYD_TRY_ASSIGN(out, list_published(client, "", ""));
    std::erase_if(out, [&](const PublishedDriver& driver) {
      return std::ranges::find(ids, driver.hardware_id) == ids.end();
    });
    return out;
  }
  for (const std::string& id : ids) {
    MPYD_TRY_ASSIGN(auto found, list_published(client, id, ""));
    std::ranges::move(found, std::back_inserter(out));
  }
  return out;
}

// The release a search tells of: the highest that is offered, or else the highest.
const json::object& newest(const PublishedDriver& driver) {
  const auto found = std::ranges::find_if(driver.releases, is_offered);
  return found == driver.releases.end() ? driver.releases.front() : *found;
}

Outcome<json::object> driver_json(const PublishedDriver& driver) {
  const json::object& release = newest(driver);
  MPYD_TRY_ASSIGN(const auto variants, object_list(release, "variants"));
  json::array abis;
  for (const json::object& variant : variants) abis.emplace_back(shown(variant, "abi"));
  MPYD_TRY_ASSIGN(const std::uint64_t number, number_field(release, "release"));
  return json::object{{"hardware_id", driver.hardware_id},
                      {"driver_name", driver.driver_name},
                      {"version", shown(release, "version")},
                      {"release", number},
                      {"abis", std::move(abis)},
                      {"yanked", !is_offered(release)},
                      {"deprecated", !is_absent(release, "deprecated")},
                      {"releases", driver.releases.size()}};
}

std::string abis_text(const json::object& driver) {
  std::string out;
  for (const json::value& abi : driver.at("abis").get_array())
    out += (out.empty() ? "" : " ") + std::string(abi.get_string());
  return out;
}

}  // namespace

Outcome<void> run_search(const SearchOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const std::vector<PublishedDriver> drivers, find_drivers(client, options.text));
  json::array found;
  std::vector<std::vector<std::string>> rows = {
      {"DRIVER", "HARDWARE ID", "NEWEST", "RELEASE", "RELEASES", "ABIS"}};
  for (const PublishedDriver& driver : drivers) {
    MPYD_TRY_ASSIGN(json::object row, driver_json(driver));
    const std::string state = row.at("yanked").get_bool()       ? " (yanked)"
                              : row.at("deprecated").get_bool() ? " (deprecated)"
                                                                : "";
    rows.push_back({driver.driver_name, driver.hardware_id, shown(row, "version") + state,
                    shown(row, "release"), shown(row, "releases"), abis_text(row)});
    found.push_back(std::move(row));
  }
  if (found.empty())
    out.say(options.text.empty() ? "nothing is published yet; mpyd publish does it"
                                 : "nothing that is published matches '" + options.text + "'");
  const std::string text = found.empty() ? std::string() : format_table(rows);
  out.result({{"drivers", std::move(found)}}, text);
  return {};
}

}  // namespace mpyd::server::cli
