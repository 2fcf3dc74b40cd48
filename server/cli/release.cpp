// mpyd release: what is published, and taking it back.
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/published.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

Outcome<void> set_withdrawn(const ReleaseYankOptions& options, const Output& out,
                            const std::string& verb) {
  json::object body{{"hardware_id", options.hardware_id}, {"version", options.version}};
  if (!options.abi.empty()) body["abi"] = options.abi;
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(json::object answer, client.post("/v1/admin/releases/" + verb, body));
  answer["hardware_id"] = options.hardware_id;
  answer["version"] = options.version;
  out.result(answer, verb + "ed " + options.hardware_id + " " + options.version +
                         (options.abi.empty() ? std::string() : " for " + options.abi));
  return {};
}

}  // namespace

Outcome<void> run_release_list(const ReleaseListOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(
      const json::object answer,
      client.get_all("/v1/admin/releases" + query_of({{"hardware_id", options.hardware_id},
                                                      {"driver_name", options.driver_name},
                                                      {"yanked", options.yanked ? "1" : ""},
                                                      {"deprecated", options.deprecated ? "1" : ""},
                                                      {"limit", kListPage}}),
                     "releases"));
  MPYD_TRY_ASSIGN(const auto releases, object_list(answer, "releases"));
  std::vector<std::vector<std::string>> rows = {
      {"HARDWARE ID", "DRIVER", "VERSION", "RELEASE", "ABI", "BYTES", "STATE", "PACKAGE"}};
  std::string advice;
  for (const json::object& release : releases) {
    MPYD_TRY_ASSIGN(const auto variants, object_list(release, "variants"));
    advice += deprecation_text(release);
    for (const json::object& variant : variants)
      rows.push_back({shown(release, "hardware_id"), shown(release, "driver_name"),
                      shown(release, "version"), shown(release, "release"), shown(variant, "abi"),
                      shown(variant, "bytes"), variant_state(release, variant),
                      shown(variant, "digest")});
  }
  out.result(answer,
             format_list(rows, "no release matches; mpyd search shows what is published") + advice);
  return {};
}

Outcome<void> run_release_deprecate(const ReleaseDeprecateOptions& options, const Output& out) {
  if (options.undo == !options.message.empty())
    return failure(Errc::invalid_argument, "deprecate it, or take that back?",
                   "give --message 'what to use instead', or --undo");
  json::object body{{"hardware_id", options.hardware_id}, {"version", options.version}};
  if (!options.undo) body["message"] = options.message;
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(
      const json::object answer,
      client.post(options.undo ? "/v1/admin/releases/undeprecate" : "/v1/admin/releases/deprecate",
                  body));
  const std::string title = options.hardware_id + " " + options.version;
  out.result(answer, options.undo
                         ? title + " is not deprecated any more"
                         : title +
                               " is deprecated; motherboards get it as before. To take it out "
                               "of delivery: mpyd release yank");
  return {};
}

Outcome<void> run_release_yank(const ReleaseYankOptions& options, const Output& out) {
  return set_withdrawn(options, out, "yank");
}

Outcome<void> run_release_unyank(const ReleaseYankOptions& options, const Output& out) {
  return set_withdrawn(options, out, "unyank");
}

}  // namespace mpyd::server::cli
