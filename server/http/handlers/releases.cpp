#include <algorithm>
#include <array>
#include <limits>

#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"
#include "server/http/list_query.hpp"
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

json::value deprecation_json(const std::string& message) {
  if (message.empty()) return nullptr;
  return json::string(message);
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
  out["deprecated"] = deprecation_json(release.deprecated);
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

std::string_view status_name(MatchReport::Status status) {
  constexpr std::array<std::string_view, 3> kNames = {"absent", "same", "differs"};
  return kNames[static_cast<std::size_t>(status)];
}

constexpr std::string_view kOrders[] = {"hardware_id", "-created"};

// Of yank and unyank: with an ABI or without; of deprecate: with a message.
struct Selection : ReleaseService::Selection {
  std::string message;
};

Result<Selection> read_selection(const Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  Selection selection;
  MPYD_TRY_ASSIGN(const std::string hardware_id, fields.text("hardware_id"));
  MPYD_TRY_ASSIGN(selection.hardware_id, read_hardware_id(hardware_id));
  MPYD_TRY_ASSIGN(const std::string version, fields.text("version"));
  MPYD_TRY_ASSIGN(selection.version, read_version(version));
  MPYD_TRY_ASSIGN(selection.abi_text, fields.text_or("abi", ""));
  MPYD_TRY_ASSIGN(selection.message, fields.text_or("message", ""));
  MPYD_TRY(fields.done());
  return selection;
}

Result<Response> show(const AdminApi& api, const HardwareId& hardware_id,
                      const VersionText& version) {
  MPYD_TRY_ASSIGN(const Release release, api.releases.show(hardware_id, version));
  return json_response(200, release_json(release));
}

// Of a whole release: what people should do does not depend on the ABI.
Result<Response> advise(const AdminApi& api, const Request& request, const Selection& selection) {
  if (!selection.abi_text.empty())
    return fail(Errc::invalid_argument,
                "the field 'abi' is for yank: a release is deprecated whole");
  MPYD_TRY_ASSIGN(const bool changed,
                  api.releases.set_deprecated(selection.hardware_id, selection.version,
                                              selection.message, request.actor));
  return json_response(200, {{"hardware_id", selection.hardware_id.view()},
                             {"version", selection.version.view()},
                             {"deprecated", deprecation_json(selection.message)},
                             {"changed", changed}});
}

Result<Response> withdraw(const AdminApi& api, Request& request, bool withdrawn) {
  MPYD_TRY_ASSIGN(const auto selection, read_selection(request));
  if (!selection.message.empty())
    return fail(Errc::invalid_argument, "the field 'message' is for deprecate");
  MPYD_TRY_ASSIGN(const std::uint32_t changed,
                  api.releases.set_withdrawn(selection, withdrawn, request.actor));
  return json_response(200, {{"hardware_id", selection.hardware_id.view()},
                             {"version", selection.version.view()},
                             {"withdrawn", withdrawn},
                             {"changed", changed}});
}

}  // namespace

Result<Response> list_releases(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request, kOrders));
  ReleaseStore::Filter filter{.count_max = list.limit()};
  if (list.is_descending()) filter.order = ReleaseStore::Order::newest;
  if (const auto text = request.asked("hardware_id")) {
    MPYD_TRY_ASSIGN(filter.hardware_id, read_hardware_id(*text));
  }
  if (const auto text = request.asked("driver_name")) {
    MPYD_TRY_ASSIGN(filter.driver_name, read_driver_name(*text));
  }
  MPYD_TRY_ASSIGN(filter.yanked, read_flag(request, "yanked"));
  MPYD_TRY_ASSIGN(filter.deprecated, read_flag(request, "deprecated"));
  filter.reach = request.reach;
  if (!list.after().empty()) {
    ReleaseStore::Filter::Position after{.hardware_id = list.after().front()};
    MPYD_TRY_ASSIGN(const std::uint64_t release, list.after_number(1));
    after.release = static_cast<std::uint32_t>(std::min(release, kU32Max));
    MPYD_TRY_ASSIGN(after.created_unix_s, list.after_number(2));
    filter.after = std::move(after);
  }
  MPYD_TRY_ASSIGN(const auto page, api.releases.list(filter));
  json::array out;
  for (const Release& release : page.items) out.push_back(release_json(release));
  Response response = json_response(200, {{"releases", std::move(out)}});
  if (page.has_more) {
    const Release& last = page.items.back();
    list.link_next(response, request,
                   {std::string(last.hardware_id.view()), std::to_string(last.release),
                    std::to_string(last.created_unix_s)});
  }
  return response;
}

Result<Response> show_release(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const HardwareId hardware_id, read_hardware_id(request.params[0]));
  MPYD_TRY(request.reach.check(hardware_id));
  MPYD_TRY_ASSIGN(const VersionText version, read_version(request.params[1]));
  return show(api, hardware_id, version);
}

Result<Response> show_selected_release(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto selection, read_selection(request));
  return show(api, selection.hardware_id, selection.version);
}

Result<Response> publish(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto unchecked, read_flag(request, "unchecked"));
  const Acceptance acceptance =
      unchecked.value_or(false) ? Acceptance::unchecked : Acceptance::checked;
  MPYD_TRY_ASSIGN(const PublishReport report,
                  api.publish.publish(request.bytes(), request.actor, acceptance, request.reach));
  json::array packages;
  for (const PublishReport::Item& item : report.items)
    packages.push_back(json::object{{"abi", format_abi(item.variant.abi).view()},
                                    {"digest", to_hex(item.variant.digest.bytes())},
                                    {"bytes", item.variant.package_bytes},
                                    {"unchecked", item.variant.unchecked},
                                    {"status", item.existed ? "exists" : "stored"}});
  json::object body = release_fields(report.release);
  body["deprecated"] = deprecation_json(report.release.deprecated);
  body["packages"] = std::move(packages);
  return json_response(report.all_existed() ? 200 : 201, body);
}

Result<Response> match(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  MPYD_TRY_ASSIGN(const MatchQuery query, read_match_query(object));
  MPYD_TRY(request.reach.check(query.hardware_id));
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
                    {"highest_version", nullptr},
                    {"deprecated", deprecation_json(report.deprecated)},
                    {"variants", std::move(variants)}};
  if (!report.highest_version.empty()) body["highest_version"] = report.highest_version;
  if (report.release) body["existing_release"] = *report.release;
  return json_response(200, body);
}

Result<Response> yank(const AdminApi& api, Request& request) {
  return withdraw(api, request, true);
}
Result<Response> unyank(const AdminApi& api, Request& request) {
  return withdraw(api, request, false);
}

Result<Response> deprecate(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto selection, read_selection(request));
  if (selection.message.empty())
    return fail(Errc::invalid_argument,
                "the field 'message' says what people should do instead; it must not be empty");
  return advise(api, request, selection);
}

Result<Response> undeprecate(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto selection, read_selection(request));
  if (!selection.message.empty())
    return fail(Errc::invalid_argument, "the field 'message' is for deprecate");
  return advise(api, request, selection);
}

}  // namespace mpyd::server::http::handlers
