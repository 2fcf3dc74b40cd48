// mpyd trust fleet-key, mpyd trust rotate fleet: keys that every enrolled device gets.
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// The newest, or an empty object.
Outcome<json::object> newest_key(const AdminClient& client) {
  MPYD_TRY_ASSIGN(const json::object answer, client.get("/v1/admin/fleet-keys?limit=1"));
  MPYD_TRY_ASSIGN(auto keys, object_list(answer, "keys"));
  return keys.empty() ? json::object() : std::move(keys.front());
}

Outcome<json::object> make_next(const AdminClient& client, const json::object& newest) {
  std::uint64_t generation = 0;
  if (!newest.empty()) {
    MPYD_TRY_ASSIGN(generation, number_field(newest, "generation"));
  }
  return client.post("/v1/admin/fleet-keys", {{"generation", generation + 1}});
}

Outcome<void> tell(const std::string& file, json::object key, const Output& out) {
  MPYD_TRY_ASSIGN(const std::string hex, text_field(key, "public_key"));
  if (!file.empty()) {
    const std::string line = "mpyd-fleet " + hex + " generation " + shown(key, "generation") + "\n";
    MPYD_TRY(write_file(file, as_bytes(line), 0644));
    key["file"] = file;
    out.say("wrote " + file + " (give it away): mpyd publish --seal-to " + file);
  }
  out.result(key, hex);
  return {};
}

}  // namespace

Outcome<void> run_trust_fleet_key(const FleetKeyOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(json::object key, newest_key(client));
  if (key.empty()) {
    MPYD_TRY_ASSIGN(key, make_next(client, key));
  }
  return tell(options.out_file, std::move(key), out);
}

Outcome<void> run_trust_rotate_fleet(const FleetKeyOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const json::object newest, newest_key(client));
  MPYD_TRY_ASSIGN(json::object key, make_next(client, newest));
  out.say("devices get the fleet key of generation " + shown(key, "generation") +
          " at their next sync and keep the older ones: boards made before go on");
  return tell(options.out_file, std::move(key), out);
}

}  // namespace mpyd::server::cli
