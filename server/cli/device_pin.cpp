// mpyd device pin, unpin: one release for one motherboard.
#include "server/cli/commands.hpp"
#include "server/cli/device_find.hpp"
#include "server/cli/json_fields.hpp"

namespace mpyd::server::cli {
namespace {

std::string path_of(const std::string& id, const std::string& hardware_id) {
  return "/v1/admin/devices/" + path_segment(id) + "/pins/" + path_segment(hardware_id);
}

}  // namespace

Outcome<void> run_device_pin(const DevicePinOptions& options, const Output& out) {
  if ((options.release == 0) == options.version.empty())
    return failure(Errc::invalid_argument, "which release?",
                   "give --release N or --version X.Y.Z; mpyd release list shows them");
  boost::json::object body;
  if (options.release != 0)
    body["release"] = options.release;
  else
    body["version"] = options.version;
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const std::string id, find_device(client, options.id));
  MPYD_TRY_ASSIGN(boost::json::object answer, client.put(path_of(id, options.hardware_id), body));
  answer["id"] = id;
  out.say("off line, without the server's last word, it takes the newest that lies there");
  out.result(answer, "from its next sync on " + id + " gets release " + shown(answer, "release") +
                         " for " + options.hardware_id + ", or none");
  return {};
}

Outcome<void> run_device_unpin(const DevicePinOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const std::string id, find_device(client, options.id));
  MPYD_TRY_ASSIGN(boost::json::object answer, client.remove(path_of(id, options.hardware_id)));
  answer["id"] = id;
  answer["hardware_id"] = options.hardware_id;
  out.result(answer, "from its next sync on " + id + " gets for " + options.hardware_id +
                         " what every other device gets");
  return {};
}

}  // namespace mpyd::server::cli
