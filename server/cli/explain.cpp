// mpyd explain: which package would be chosen, and why each other one is not.
#include "server/cli/clone_text.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/device_find.hpp"
#include "server/cli/json_fields.hpp"

namespace mpyd::server::cli {

Outcome<void> run_explain(const ExplainOptions& options, const Output& out) {
  if (options.device.empty() && options.abi.empty())
    return failure(
        Errc::invalid_argument, "for which motherboard?",
        "give --device ID, or --abi TEXT (6.3-armv7m), or both for a device that has not "
        "told its own yet");
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  std::string device;
  if (!options.device.empty()) {
    MPYD_TRY_ASSIGN(device, find_device(client, options.device));
  }
  MPYD_TRY_ASSIGN(
      const boost::json::object answer,
      advise(client.get("/v1/admin/explain" + query_of({{"device", device},
                                                        {"abi", options.abi},
                                                        {"hardware_id", options.hardware_id},
                                                        {"revision", options.revision}}),
                        http::kAnswerBytesMax),
             Errc::conflict, "give --abi as well, such as --abi 6.3-armv7m"));
  std::string text;
  if (!is_absent(answer, "chosen") && answer.at("chosen").is_object()) {
    const boost::json::object& chosen = answer.at("chosen").get_object();
    text = "chosen: " + shown(chosen, "version") + " (release " + shown(chosen, "release") +
           ") for " + shown(chosen, "abi") + ", package " + shown(chosen, "digest") +
           (shown(chosen, "unchecked") == "true" ? ", unchecked" : "") + "\n";
  } else {
    text = "chosen: none\n";
  }
  MPYD_TRY_ASSIGN(const auto sentences, text_list(answer, "sentences"));
  for (const std::string& sentence : sentences) text += sentence + "\n";
  MPYD_TRY_ASSIGN(const auto reported, object_list(answer, "reported"));
  for (const boost::json::object& slot : reported)
    text += "slot " + shown(slot, "slot") + " is " + shown(slot, "state") + " since " +
            shown_time(slot, "since_unix_s") + "\n" + clones_text(slot);
  MPYD_TRY_ASSIGN(const auto rejected, object_list(answer, "rejected"));
  std::vector<std::vector<std::string>> rows = {{"VERSION", "RELEASE", "ABI", "WHY NOT"}};
  for (const boost::json::object& one : rejected)
    rows.push_back(
        {shown(one, "version"), shown(one, "release"), shown(one, "abi"), shown(one, "reason")});
  out.result(answer, rejected.empty() ? text : text + format_table(rows));
  return {};
}

}  // namespace mpyd::server::cli
