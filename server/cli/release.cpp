// mpyd release: what is published, and taking it back.
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"

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

std::string state_of(const json::object& variant) {
  const std::string state = shown(variant, "withdrawn") == "true" ? "yanked" : "offered";
  return shown(variant, "unchecked") == "true" ? state + ", unchecked" : state;
}

}  // namespace

Outcome<void> run_release_list(const ReleaseListOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(
      const json::object answer,
      client.get("/v1/admin/releases" + query_of({{"hardware_id", options.hardware_id},
                                                  {"driver_name", options.driver_name}})));
  MPYD_TRY_ASSIGN(const auto releases, object_list(answer, "releases"));
  std::vector<std::vector<std::string>> rows = {
      {"HARDWARE ID", "DRIVER", "VERSION", "RELEASE", "ABI", "BYTES", "STATE", "PACKAGE"}};
  for (const json::object& release : releases) {
    MPYD_TRY_ASSIGN(const auto variants, object_list(release, "variants"));
    for (const json::object& variant : variants)
      rows.push_back({shown(release, "hardware_id"), shown(release, "driver_name"),
                      shown(release, "version"), shown(release, "release"), shown(variant, "abi"),
                      shown(variant, "bytes"), state_of(variant), shown(variant, "digest")});
  }
  out.result(answer, format_table(rows));
  return {};
}

Outcome<void> run_release_yank(const ReleaseYankOptions& options, const Output& out) {
  return set_withdrawn(options, out, "yank");
}

Outcome<void> run_release_unyank(const ReleaseYankOptions& options, const Output& out) {
  return set_withdrawn(options, out, "unyank");
}

}  // namespace mpyd::server::cli
