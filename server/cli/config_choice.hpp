// Which configuration file a command reads, and which profile in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/cli/settings.hpp"

namespace mpyd::server::cli {

// Said of a file or a profile: use none, although there is one by default.
inline constexpr std::string_view kNoConfig = "none";
inline constexpr const char* kServerConfigFile = "/etc/mpyd/server.toml";

// mpyd/client.toml in $XDG_CONFIG_HOME or ~/.config. Errors: not_found (neither is known).
Outcome<std::string> client_config_path();

// 1 to 64 of A-Z a-z 0-9 _ -, and not `none`. Errors: invalid_argument.
Outcome<void> check_profile_name(const std::string& name);

// The server's file, checked. `named`: --config; empty: the default one, if it is there.
// Errors: those of load_config and check_server_config, not_found (named, but not there).
Outcome<std::optional<ConfigFile>> load_server_config(CLI::App& serve, const std::string& named);

struct Profile {
  std::optional<ConfigFile> file;
  std::string name;       // empty: none is chosen
  bool is_there = false;  // in the file
};
// The user's file, checked, and a profile: `named` (--profile), else the file's `default`.
// Errors: those of load_config and check_client_config.
Outcome<Profile> choose_profile(CLI::App& root, const std::string& named);
// Errors: not_found (the chosen profile is not there).
Outcome<void> check_profile_is_there(const Profile& profile);

}  // namespace mpyd::server::cli
