#include "server/cli/config_choice.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kProfileNameMax = 64;

}  // namespace

Outcome<std::string> client_config_path() {
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  // The XDG specification: a relative path is to be ignored.
  if (config != nullptr && *config == '/') return std::string(config) + "/mpyd/client.toml";
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return std::string(home) + "/.config/mpyd/client.toml";
  return failure(Errc::not_found, "there is no place for profiles: HOME is not set",
                 "set HOME or XDG_CONFIG_HOME, or give --server and --token-file each time");
}

Outcome<void> check_profile_name(const std::string& name) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
  if (!name.empty() && name.size() <= kProfileNameMax && std::ranges::all_of(name, allowed) &&
      name != kNoConfig)
    return {};
  return failure(Errc::invalid_argument, "'" + name + "' cannot be the name of a profile",
                 "a name is 1 to 64 letters, digits, _ and -; 'none' means no profile");
}

Outcome<std::optional<ConfigFile>> load_server_config(CLI::App& serve, const std::string& named) {
  if (named == kNoConfig) return std::optional<ConfigFile>();
  const std::string path = named.empty() ? kServerConfigFile : named;
  auto file = load_config(path);
  if (!file && named.empty() && file.error().hint.empty())
    file.error().hint = "to do without this file: --config none";
  MPYD_TRY(file);
  if (!*file && !named.empty())
    return failure(Errc::not_found, "there is no configuration file " + named);
  if (*file) MPYD_TRY(check_server_config(serve, **file));
  return file;
}

Outcome<Profile> choose_profile(CLI::App& root, const std::string& named) {
  Profile chosen;
  if (named == kNoConfig) return chosen;
  const auto path = client_config_path();
  if (path) {
    MPYD_TRY_ASSIGN(chosen.file, load_config(*path));
  } else if (!named.empty()) {
    return fail(path.error());
  }
  if (chosen.file) MPYD_TRY(check_client_config(root, *chosen.file));
  const ConfigValue* const by_default = chosen.file ? chosen.file->root.find("default") : nullptr;
  if (!named.empty())
    chosen.name = named;
  else if (by_default != nullptr)
    chosen.name = by_default->texts.front();
  const ConfigTable* const profiles =
      chosen.file ? chosen.file->root.find_table("profile") : nullptr;
  chosen.is_there = profiles != nullptr && profiles->find_table(chosen.name) != nullptr;
  return chosen;
}

Outcome<void> check_profile_is_there(const Profile& profile) {
  if (profile.name.empty() || profile.is_there) return {};
  std::string where = "there is no profile '" + profile.name + "'";
  if (profile.file) where += " in " + profile.file->path;
  return failure(Errc::not_found, std::move(where),
                 "make it: mpyd login --profile " + profile.name + " --server URL");
}

}  // namespace mpyd::server::cli
