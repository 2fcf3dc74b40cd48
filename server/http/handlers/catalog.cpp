#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"
#include "server/http/list_query.hpp"
#include "server/services/policy_json.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

constexpr std::size_t kSearchTextMax = 96;

json::object driver_json(const CatalogService::Driver& driver) {
  json::object out{{"hardware_id", driver.hardware_id.view()},
                   {"driver_name", nullptr},
                   {"version", nullptr},
                   {"release", nullptr},
                   {"releases", 0},
                   {"delegated", driver.entry.has_value()},
                   {"publishers", 0},
                   {"mode", nullptr}};
  if (driver.published) {
    out["driver_name"] = driver.published->driver_name.view();
    out["version"] = driver.published->version.view();
    out["release"] = driver.published->release;
    out["releases"] = driver.published->releases;
  }
  if (driver.entry) {
    // Policy says what the driver is called.
    out["driver_name"] = driver.entry->driver_name.view();
    out["publishers"] = driver.entry->publisher_keys.size();
    out["mode"] = mode_name(driver.entry->mode);
  }
  return out;
}

std::string first_or_empty(const ListQuery& list) {
  return list.after().empty() ? std::string() : list.after().front();
}

}  // namespace

Result<Response> list_drivers(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request));
  const std::string text(request.query("text"));
  if (text.size() > kSearchTextMax)
    return fail(Errc::invalid_argument, "text is at most " + std::to_string(kSearchTextMax) +
                                            " bytes; no hardware ID is longer");
  MPYD_TRY_ASSIGN(const auto page, api.catalog.drivers({.after = first_or_empty(list),
                                                        .text = text,
                                                        .reach = request.reach,
                                                        .count_max = list.limit()}));
  json::array out;
  for (const auto& driver : page.items) out.push_back(driver_json(driver));
  Response response = json_response(200, {{"drivers", std::move(out)}});
  if (page.has_more)
    list.link_next(response, request, {std::string(page.items.back().hardware_id.view())});
  return response;
}

Result<Response> show_driver(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const HardwareId hardware_id, read_hardware_id(request.params[0]));
  MPYD_TRY(request.reach.check(hardware_id));
  MPYD_TRY_ASSIGN(const auto driver, api.catalog.driver(hardware_id));
  return json_response(200, driver_json(driver));
}

Result<Response> show_package(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Digest digest, fixed_from_hex<Digest>(request.params[0]));
  MPYD_TRY_ASSIGN(const Release release, api.catalog.package(digest));
  MPYD_TRY(request.reach.check(release.hardware_id));
  const Variant& variant = release.variants.front();
  json::object body{{"digest", to_hex(digest.bytes())},
                    {"hardware_id", release.hardware_id.view()},
                    {"driver_name", release.driver_name.view()},
                    {"version", release.version.view()},
                    {"release", release.release},
                    {"abi", format_abi(variant.abi).view()},
                    {"bytes", variant.package_bytes},
                    {"encryption", encryption_name(variant.encryption)},
                    {"withdrawn", variant.withdrawn},
                    {"unchecked", variant.unchecked},
                    {"deprecated", nullptr}};
  if (!release.deprecated.empty()) body["deprecated"] = release.deprecated;
  return json_response(200, body);
}

Result<Response> download_package(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Digest digest, fixed_from_hex<Digest>(request.params[0]));
  MPYD_TRY_ASSIGN(const Release release, api.catalog.package(digest));
  MPYD_TRY(request.reach.check(release.hardware_id));
  MPYD_TRY_ASSIGN(StoredPackage package, api.releases.package(digest));
  Response response{.content_type = "application/vnd.mpyd.packages",
                    .body = std::move(package.bytes)};
  response.body.insert(response.body.end(), package.key_block.begin(), package.key_block.end());
  return response;
}

Result<Response> list_policy(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request));
  const auto page = api.catalog.policy(first_or_empty(list), request.reach, list.limit());
  json::array out;
  for (const trust::PolicyEntry& entry : page.items) out.push_back(policy_json(entry));
  Response response = json_response(200, {{"entries", std::move(out)}});
  if (page.has_more)
    list.link_next(response, request, {std::string(page.items.back().hardware_id.view())});
  return response;
}

Result<Response> show_policy(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const HardwareId hardware_id, read_hardware_id(request.params[0]));
  MPYD_TRY(request.reach.check(hardware_id));
  MPYD_TRY_ASSIGN(const trust::PolicyEntry entry, api.catalog.policy_of(hardware_id));
  return json_response(200, policy_json(entry));
}

Result<Response> list_publishers(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request));
  std::optional<SigningKey> after;
  if (!list.after().empty()) {
    MPYD_TRY_ASSIGN(after, fixed_from_hex<SigningKey>(list.after().front()));
  }
  const auto page = api.catalog.publishers(after, request.reach, list.limit());
  json::array out;
  for (const auto& publisher : page.items) {
    json::array hardware_ids;
    for (const HardwareId& id : publisher.hardware_ids) hardware_ids.emplace_back(id.view());
    out.push_back(json::object{{"public_key", to_hex(publisher.key.bytes())},
                               {"hardware_ids", std::move(hardware_ids)},
                               {"revoked", publisher.is_revoked}});
  }
  Response response = json_response(200, {{"publishers", std::move(out)}});
  if (page.has_more) list.link_next(response, request, {to_hex(page.items.back().key.bytes())});
  return response;
}

}  // namespace mpyd::server::http::handlers
