// mpyd login, logout and whoami: profiles, and the tokens that lie beside them.
#include <unistd.h>
#include <array>
#include <cerrno>
#include <filesystem>

#include "protocol/crypto.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/config_choice.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/passphrase.hpp"
#include "server/cli/profile_edit.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::array<const char*, 2> kTokenVariables = {"MPYD_TOKEN_FILE", "MPYD_TOKEN"};

// Which of the variables gives a token; empty: none.
std::string_view token_variable() {
  for (const char* const name : kTokenVariables)
    if (const char* const value = std::getenv(name); value != nullptr && *value != '\0')
      return name;
  return {};
}

Outcome<std::string> token_from_variable(ServerOptions options) {
  if (const char* const file = std::getenv(kTokenVariables[0]); file != nullptr)
    options.token_file = file;
  return read_token(options);
}

// Of the file that was named; piped in; of a variable; typed. Variables are set for other commands,
// too: what is handed to this one counts before them.
Outcome<std::string> token_to_keep(const ServerOptions& options) {
  if (!options.token_file.empty()) return read_token(options);
  const bool has_variable = !token_variable().empty();
  if (has_variable && ::isatty(STDIN_FILENO) != 0) return token_from_variable(options);
  const auto line = ask_secret("token: ", "token");
  const bool is_given = line && !line->span().empty();
  if (!is_given && has_variable) return token_from_variable(options);
  if (!line) return fail(Failure(line.error()));
  const std::string_view text = as_text(line->span());
  return std::string(text.substr(0, text.find_first_of(" \t")));
}

std::string token_file_name(const std::string& profile) { return profile + ".token"; }

std::string beside(const std::string& config, const std::string& name) {
  return (std::filesystem::path(config).parent_path() / name).string();
}

// The folder of the file: the user's alone, if it is made here.
Outcome<void> make_folder_of(const std::string& config) {
  const auto folder = std::filesystem::path(config).parent_path();
  std::error_code ec;
  if (std::filesystem::is_directory(folder, ec)) return {};
  std::filesystem::create_directories(folder.parent_path(), ec);
  if (ec)
    return failure(Errc::io, "cannot make " + folder.parent_path().string() + ": " + ec.message());
  MPYD_TRY(make_directory(folder.string(), 0700));
  return {};
}

Outcome<void> change_config(const std::string& config, const std::string& profile,
                            const std::vector<ProfileChange>& changes) {
  MPYD_TRY_ASSIGN(const auto before, read_config(config));
  MPYD_TRY_ASSIGN(const std::string after,
                  change_profile(before.value_or(std::string()), config, profile, changes));
  if (after == before) return {};
  // A link stays one: people keep such files elsewhere.
  std::error_code ec;
  const auto real = std::filesystem::canonical(config, ec);
  MPYD_TRY(write_file(ec ? config : real.string(), as_bytes(std::string_view(after)), 0600));
  return {};
}

std::string absolute(const std::string& path) {
  std::error_code ec;
  const auto out = std::filesystem::absolute(path, ec);
  return ec ? path : out.string();
}

std::string expiry_of(const json::object& token) {
  return is_absent(token, "expires_unix_s") ? "never" : shown_time(token, "expires_unix_s");
}

}  // namespace

Outcome<void> run_login(const LoginOptions& options, const Output& out) {
  MPYD_TRY(check_profile_name(options.profile));
  MPYD_TRY_ASSIGN(const std::string config, client_config_path());
  MPYD_TRY_ASSIGN(std::string token, token_to_keep(options.server));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open_with(options.server, token));
  MPYD_TRY_ASSIGN(const json::object known, client.get("/v1/admin/whoami"));

  // The token first: a profile never names one that is not there.
  MPYD_TRY(make_folder_of(config));
  const std::string token_file = beside(config, token_file_name(options.profile));
  const auto written = write_file(token_file, as_bytes(std::string_view(token)), 0600);
  crypto::wipe(std::as_writable_bytes(std::span(token)));
  MPYD_TRY(written);
  std::vector<ProfileChange> changes = {{"server", options.server.server},
                                        {"token-file", token_file_name(options.profile)}};
  if (!options.server.ca_file.empty())
    changes.push_back({"ca-file", absolute(options.server.ca_file)});
  MPYD_TRY(change_config(config, options.profile, changes));

  json::object result{{"profile", options.profile},
                      {"file", config},
                      {"token_file", token_file},
                      {"server", client.url()},
                      {"token", known}};
  out.result(result, "logged in to " + client.url() + " as " + shown(known, "name") + " (scopes " +
                         joined_texts(known, "scopes") + "); profile " + options.profile + " in " +
                         config);
  return {};
}

Outcome<void> run_logout(const std::string& profile, const Output& out) {
  MPYD_TRY_ASSIGN(const std::string config, client_config_path());
  MPYD_TRY_ASSIGN(const auto file, load_config(config));
  const ConfigTable* table = file ? file->root.find_table("profile") : nullptr;
  if (table != nullptr) table = table->find_table(profile);
  const ConfigValue* const named = table == nullptr ? nullptr : table->find("token-file");
  if (named == nullptr)
    return failure(Errc::not_found, "the profile '" + profile + "' holds no token");
  const std::string token_file = beside(config, token_file_name(profile));
  const bool is_ours = beside(config, named->texts.front()) == token_file;
  MPYD_TRY(change_config(config, profile, {{"token-file", std::nullopt}}));
  if (is_ours && ::unlink(token_file.c_str()) != 0 && errno != ENOENT)
    return fail(Failure(errno_error("cannot remove", token_file)));
  if (!is_ours) out.say("left alone, since mpyd login did not make it: " + named->texts.front());
  out.say("the server still knows the token: mpyd token revoke NAME takes it back");
  if (const std::string_view variable = token_variable(); !variable.empty())
    out.say(std::string(variable) + " still gives commands a token");
  out.result({{"profile", profile}, {"file", config}},
             "logged out of profile " + profile + " in " + config);
  return {};
}

Outcome<void> run_whoami(const ServerOptions& options, const std::string& profile,
                         const std::vector<Setting>& settings, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options));
  MPYD_TRY_ASSIGN(const json::object token, client.get("/v1/admin/whoami"));
  const std::string hardware = joined_texts(token, "hardware");
  const std::string text = format_table({{"token", shown(token, "name")},
                                         {"scopes", joined_texts(token, "scopes")},
                                         {"hardware", hardware.empty() ? "any" : hardware},
                                         {"expires", expiry_of(token)},
                                         {"last used", shown_time(token, "last_used_unix_s")},
                                         {"profile", profile.empty() ? "none" : profile}}) +
                           "\n" + settings_text(settings);
  json::object result{{"token", token}, {"server", client.url()}, {"profile", nullptr}};
  if (!profile.empty()) result["profile"] = profile;
  result["settings"] = settings_json(settings);
  out.result(result, text);
  return {};
}

}  // namespace mpyd::server::cli
