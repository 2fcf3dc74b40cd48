// mpyd token: who may use the admin API.
#include <boost/json/array.hpp>
#include <charconv>
#include <ctime>

#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// 30d, 12h, 45m, 2w -> seconds.
Outcome<std::uint64_t> parse_duration(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::uint64_t seconds = unit == "m"   ? 60
                                : unit == "h" ? 3600
                                : unit == "d" ? 86400
                                : unit == "w" ? 604800
                                              : 0;
  if (error != std::errc() || seconds == 0 || number == 0 || number > 5200)
    return failure(Errc::invalid_argument, "not a duration: " + text, "write 30d, 12h, 45m or 2w");
  return number * seconds;
}

}  // namespace

Outcome<void> run_token_create(const TokenCreateOptions& options, const Output& out) {
  json::object body{{"name", options.name}};
  json::array& scopes = (body["scopes"] = json::array()).get_array();
  for (const std::string& scope : options.scopes) scopes.emplace_back(scope);
  if (!options.expires.empty()) {
    MPYD_TRY_ASSIGN(const std::uint64_t seconds, parse_duration(options.expires));
    body["expires_unix_s"] = static_cast<std::uint64_t>(std::time(nullptr)) + seconds;
  }
  if (options.single_use) body["single_use"] = true;
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const json::object answer, client.post("/v1/admin/tokens", body));
  MPYD_TRY_ASSIGN(const std::string token, text_field(answer, "token"));
  out.say("this token is shown once; keep it in a file of mode 0600");
  out.result(answer, token);
  return {};
}

Outcome<void> run_token_list(const ServerOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options));
  MPYD_TRY_ASSIGN(const json::object answer, client.get("/v1/admin/tokens"));
  MPYD_TRY_ASSIGN(const auto tokens, object_list(answer, "tokens"));
  std::vector<std::vector<std::string>> rows = {{"NAME", "SCOPES", "CREATED", "EXPIRES"}};
  for (const json::object& token : tokens) {
    std::string scopes;
    if (const json::value* list = token.if_contains("scopes"); list && list->is_array())
      for (const json::value& scope : list->get_array())
        if (scope.is_string())
          scopes += (scopes.empty() ? "" : ",") + std::string(scope.get_string());
    rows.push_back(
        {shown(token, "name"), scopes, shown_time(token, "created_unix_s"),
         is_absent(token, "expires_unix_s") ? "never" : shown_time(token, "expires_unix_s")});
  }
  out.result(answer, format_table(rows));
  return {};
}

Outcome<void> run_token_revoke(const TokenRevokeOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(json::object answer,
                  client.remove("/v1/admin/tokens/" + path_segment(options.name)));
  answer["name"] = options.name;
  out.result(answer, "revoked " + options.name);
  return {};
}

}  // namespace mpyd::server::cli
