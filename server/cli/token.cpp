// mpyd token: who may use the admin API.
#include <unistd.h>

#include "protocol/crypto.hpp"
#include "server/app/rescue_token.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/token_request.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// 3 of 10; no limit: any.
std::string uses_text(const json::object& token) {
  if (is_absent(token, "uses_max")) return "any";
  return shown(token, "uses") + " of " + shown(token, "uses_max");
}

// A secret into a file of its owner's. Wipes it. `lost` is what to do if it cannot be written.
Outcome<void> write_token(const std::string& file, std::string token, const std::string& lost) {
  token += '\n';
  const auto written = create_file(file, as_bytes(std::string_view(token)), 0600);
  crypto::wipe(std::as_writable_bytes(std::span(token)));
  if (!written) return failure(written.error().code, written.error().message, lost);
  return {};
}

Outcome<void> require_new(const std::string& file) {
  if (file.empty() || ::access(file.c_str(), F_OK) != 0) return {};
  return failure(Errc::conflict, file + " exists already", "nothing was made; name another file");
}

}  // namespace

Outcome<void> run_token_create(const TokenCreateOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY(require_new(options.out_file));
  MPYD_TRY_ASSIGN(json::object answer, request_token(client, options));
  MPYD_TRY_ASSIGN(std::string token, text_field(answer, "token"));
  if (options.out_file.empty()) {
    out.say("this token is shown once; keep it in a file of mode 0600");
    out.result(answer, token);
    return {};
  }
  MPYD_TRY(write_token(options.out_file, std::move(token),
                       "nobody has the token that was made: mpyd token revoke " + options.name));
  answer.erase("token");
  answer["file"] = options.out_file;
  out.result(answer, "wrote " + options.out_file + ": the token " + options.name +
                         ", for its owner's eyes; nothing shows it again");
  return {};
}

Outcome<void> run_token_list(const ServerOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options));
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.get_all("/v1/admin/tokens" + query_of({{"limit", kListPage}}), "tokens"));
  MPYD_TRY_ASSIGN(const auto tokens, object_list(answer, "tokens"));
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "SCOPES", "HARDWARE", "CREATED", "EXPIRES", "LAST USE", "USES"}};
  for (const json::object& token : tokens) {
    const std::string hardware = joined_texts(token, "hardware");
    rows.push_back(
        {shown(token, "name"), joined_texts(token, "scopes"), hardware.empty() ? "any" : hardware,
         shown_time(token, "created_unix_s"),
         is_absent(token, "expires_unix_s") ? "never" : shown_time(token, "expires_unix_s"),
         is_absent(token, "last_used_unix_s") ? "never" : shown_time(token, "last_used_unix_s"),
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

Outcome<void> run_token_rescue(const TokenRescueOptions& options, const Output& out) {
  MPYD_TRY(require_new(options.out_file));
  MPYD_TRY_ASSIGN(std::string token, make_rescue_token(options.data_dir, options.name));
  MPYD_TRY(
      write_token(options.out_file, std::move(token),
                  "nobody has the token that was made; once mpyd serve runs: mpyd token revoke " +
                      options.name));
  out.result({{"name", options.name}, {"file", options.out_file}},
             "wrote " + options.out_file + ": the token " + options.name +
                 ", with the scope admin; start mpyd serve again");
  return {};
}

}  // namespace mpyd::server::cli
