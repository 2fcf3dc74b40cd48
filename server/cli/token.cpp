// mpyd token: who may use the admin API.
#include <boost/json/array.hpp>

#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/token_request.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// 3 of 10; no limit: any.
std::string uses_text(const json::object& token) {
  if (is_absent(token, "uses_max")) return "any";
  return shown(token, "uses") + " of " + shown(token, "uses_max");
}

}  // namespace

Outcome<void> run_token_create(const TokenCreateOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const json::object answer, request_token(client, options));
  MPYD_TRY_ASSIGN(const std::string token, text_field(answer, "token"));
  out.say("this token is shown once; keep it in a file of mode 0600");
  out.result(answer, token);
  return {};
}

Outcome<void> run_token_list(const ServerOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options));
  MPYD_TRY_ASSIGN(const json::object answer, client.get("/v1/admin/tokens"));
  MPYD_TRY_ASSIGN(const auto tokens, object_list(answer, "tokens"));
  std::vector<std::vector<std::string>> rows = {{"NAME", "SCOPES", "CREATED", "EXPIRES", "USED"}};
  for (const json::object& token : tokens) {
    std::string scopes;
    if (const json::value* list = token.if_contains("scopes"); list && list->is_array())
      for (const json::value& scope : list->get_array())
        if (scope.is_string())
          scopes += (scopes.empty() ? "" : ",") + std::string(scope.get_string());
    rows.push_back(
        {shown(token, "name"), scopes, shown_time(token, "created_unix_s"),
         is_absent(token, "expires_unix_s") ? "never" : shown_time(token, "expires_unix_s"),
         uses_text(token)});
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
