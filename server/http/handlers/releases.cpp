#include <array>
#include <limits>

#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"
#include "server/http/problem.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();

json::object release_fields(const Release& release) {
  return {{"hardware_id", release.hardware_id.view()},
          {"driver_name", release.driver_name.view()},
          {"version", release.version.view()},
          {"release", release.release}};
}

json::object release_json(const Release& release) {
  json::array variants;
  for (const Variant& variant : release.variants)
    variants.push_back(json::object{{"abi", format_abi(variant.abi).view()},
                                    {"digest", to_hex(variant.digest.bytes())},
                                    {"bytes", variant.package_bytes},
                                    {"encryption", encryption_name(variant.encryption)},
                                    {"withdrawn", variant.withdrawn},
                                    {"unchecked", variant.unchecked}});
  json::object out = release_fields(release);
  out["revision_min"] = release.revision_min;
  out["revision_max"] = release.revision_max;
  out["created_unix_s"] = release.created_unix_s;
  out["variants"] = std::move(variants);
  return out;
}

Result<MatchQuery::Item> read_match_item(const json::value& value) {
  if (!value.is_object())
    return fail(Errc::invalid_argument, "the field 'variants' must be a list of objects");
  JsonFields fields(value.get_object());
  MatchQuery::Item item;
  MPYD_TRY_ASSIGN(const std::string abi, fields.text("abi"));
  MPYD_TRY_ASSIGN(item.abi, read_abi(abi));
  MPYD_TRY_ASSIGN(const std::string plain_digest, fields.text("plain_sha256"));
  MPYD_TRY_ASSIGN(item.plain_digest, fixed_from_hex<Digest>(plain_digest));
  MPYD_TRY_ASSIGN(const std::uint64_t plain_bytes, fields.number("plain_bytes", kU32Max));
  item.plain_bytes = static_cast<std::uint32_t>(plain_bytes);
  MPYD_TRY_ASSIGN(item.required_modules, fields.texts("requires"));
  MPYD_TRY_ASSIGN(const std::uint64_t interface, fields.number("driver_interface", kU32Max));
  item.driver_interface = static_cast<std::uint32_t>(interface);
  MPYD_TRY_ASSIGN(const std::string encryption, fields.text("encryption"));
  MPYD_TRY_ASSIGN(item.encryption, read_encryption(encryption));
  MPYD_TRY(fields.done());
  return item;
}

Result<MatchQuery> read_match_query(const json::object& object) {
  JsonFields fields(object);
  MatchQuery query;
  MPYD_TRY_ASSIGN(const std::string hardware_id, fields.text("hardware_id"));
  MPYD_TRY_ASSIGN(query.hardware_id, read_hardware_id(hardware_id));
  MPYD_TRY_ASSIGN(const std::string driver_name, fields.text("driver_name"));
  MPYD_TRY_ASSIGN(query.driver_name, read_driver_name(driver_name));
  MPYD_TRY_ASSIGN(const std::string version, fields.text("version"));
  MPYD_TRY_ASSIGN(query.version, read_version(version));
  MPYD_TRY_ASSIGN(const auto release, fields.optional_number("release", kU32Max));
  if (release) query.release = static_cast<std::uint32_t>(*release);
  MPYD_TRY_ASSIGN(const std::uint64_t revision_min, fields.number("revision_min", kU32Max));
  MPYD_TRY_ASSIGN(const std::uint64_t revision_max, fields.number("revision_max", kU32Max));
  query.revision_min = static_cast<std::uint32_t>(revision_min);
  query.revision_max = static_cast<std::uint32_t>(revision_max);
  MPYD_TRY_ASSIGN(const json::array* const variants, fields.list("variants"));
  for (const json::value& value : *variants) {
    MPYD_TRY_ASSIGN(MatchQuery::Item item, read_match_item(value));
    query.items.push_back(std::move(item));
  }
  MPYD_TRY(fields.done());
  return query;
}

Result<Acceptance> read_acceptance(std::string_view text) {
  if (text.empty() || text == "0") return Acceptance::checked;
  if (text == "1") return Acceptance::unchecked;
  return fail(Errc::invalid_argument, "unchecked is 0 or 1");
}

std::string_view status_name(MatchReport::Status status) {
  constexpr std::array<std::string_view, 3> kNames = {"absent", "same", "differs"};
  return kNames[static_cast<std::size_t>(status)];
}

Result<Response> withdraw(const AdminApi& api, Request& request, bool withdrawn) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  ReleaseService::Selection selection;
  MPYD_TRY_ASSIGN(const std::string hardware_id, fields.text("hardware_id"));
  MPYD_TRY_ASSIGN(selection.hardware_id, read_hardware_id(hardware_id));
  MPYD_TRY_ASSIGN(const std::string version, fields.text("version"));
  MPYD_TRY_ASSIGN(selection.version, read_version(version));
  MPYD_TRY_ASSIGN(selection.abi_text, fields.text_or("abi", ""));
  MPYD_TRY(fields.done());
  MPYD_TRY_ASSIGN(const std::uint32_t changed,
                  api.releases.set_withdrawn(selection, withdrawn, request.actor));
  return json_response(200, {{"hardware_id", hardware_id},
                             {"version", version},
                             {"withdrawn", withdrawn},
                             {"changed", changed}});
}

}  // namespace

Result<Response> list_releases(const AdminApi& api, Request& request) {
  ReleaseStore::Filter filter;
  if (const auto text = request.query("hardware_id"); !text.empty()) {
    MPYD_TRY_ASSIGN(filter.hardware_id, read_hardware_id(text));
  }
  if (const auto text = request.query("driver_name"); !text.empty()) {
    MPYD_TRY_ASSIGN(filter.driver_name, read_driver_name(text));
  }
  MPYD_TRY_ASSIGN(const auto releases, api.releases.list(filter));
  json::array out;
  for (const Release& release : releases) out.push_back(release_json(release));
  return json_response(200, {{"releases", std::move(out)}});
}

Result<Response> publish(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Acceptance acceptance, read_acceptance(request.query("unchecked")));
  MPYD_TRY_ASSIGN(const PublishReport report,
                  api.publish.publish(request.bytes(), request.actor, acceptance));
  json::array packages;
  for (const PublishReport::Item& item : report.items)
    packages.push_back(json::object{{"abi", format_abi(item.variant.abi).view()},
                                    {"digest", to_hex(item.variant.digest.bytes())},
                                    {"bytes", item.variant.package_bytes},
                                    {"unchecked", item.variant.unchecked},
                                    {"status", item.existed ? "exists" : "stored"}});
  json::object body = release_fields(report.release);
  body["packages"] = std::move(packages);
  return json_response(report.all_existed() ? 200 : 201, body);
}

Result<Response> match(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  MPYD_TRY_ASSIGN(const MatchQuery query, read_match_query(object));
  MPYD_TRY_ASSIGN(const MatchReport report, api.publish.match(query));
  json::array variants;
  for (const MatchReport::Item& item : report.items) {
    json::object row{{"abi", format_abi(item.abi).view()},
                     {"status", status_name(item.status)},
                     {"digest", nullptr}};
    if (item.digest) row["digest"] = to_hex(item.digest->bytes());
    variants.push_back(std::move(row));
  }
  json::object body{{"existing_release", nullptr},
                    {"highest_release", report.highest_release},
                    {"variants", std::move(variants)}};
  if (report.release) body["existing_release"] = *report.release;
  return json_response(200, body);
}

Result<Response> yank(const AdminApi& api, Request& request) {
  return withdraw(api, request, true);
}
Result<Response> unyank(const AdminApi& api, Request& request) {
  return withdraw(api, request, false);
}

}  // namespace mpyd::server::http::handlers
