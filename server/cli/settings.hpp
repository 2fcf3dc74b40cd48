// Settings: options that may also come from the environment or a configuration file. Which ones
// do is CLI11's own mark `configurable`, so that there is no second list of names.
// A flag wins over MPYD_*, that over the file, that over the default.
#pragma once

#include <boost/json/array.hpp>
#include <string>
#include <vector>

#include "server/cli/config_file.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace mpyd::server::cli {

// While CLI11 parses the command line it knows nothing of the environment of settings, and asks
// for none that is required: settle() comes after it, and would not know who set what.
class SettingsHeldBack {
 public:
  explicit SettingsHeldBack(CLI::App& app);
  SettingsHeldBack(const SettingsHeldBack&) = delete;
  SettingsHeldBack& operator=(const SettingsHeldBack&) = delete;
  ~SettingsHeldBack() { give_back(); }

  // From here on help shows everything again.
  void give_back();

 private:
  struct Held {
    CLI::Option* option;
    std::string envname;
    bool is_required;
  };
  void hold(CLI::App& app);

  std::vector<Held> held_;
};

// What a file says of one command: tables, the most specific first. Borrowed from the file.
struct FileLayer {
  const ConfigFile* file = nullptr;
  std::vector<const ConfigTable*> tables;

  const ConfigValue* find(std::string_view key) const;
};

inline constexpr std::string_view kFromFlag = "flag";

struct Setting {
  std::string name;  // of the option, without dashes; before it the command, in a table of its own
  ConfigValue::Kind kind = ConfigValue::Kind::text;
  bool is_list = false;
  std::vector<std::string> texts;  // none: not set
  std::string origin;              // flag, MPYD_LISTEN, FILE:LINE, default or not set
};

struct Settled {
  std::vector<Setting> settings;
  std::vector<std::string> notes;  // for people: what was left out, and why
};

// The command that was parsed, from the program down to it.
std::vector<CLI::App*> parsed_chain(CLI::App& root);
bool takes_settings(CLI::App& command);

// Fills the settings of the parsed command that no flag gave. A token file of `layer` is used
// only with the server that `layer` names: another server must not get to see the token.
// Errors: invalid_argument (with MPYD_X, or file and line).
Outcome<Settled> settle(CLI::App& root, const FileLayer& layer);
// Errors: invalid_argument.
Outcome<void> check_required_settings(CLI::App& root);
// The settings of all commands but `serve`, as a command without flags would have them.
Outcome<Settled> settle_all(CLI::App& root, const FileLayer& layer);

// Every key of the file is one, and of the right type; it may be for another command.
// Errors: invalid_argument, with file, line and the nearest key.
Outcome<void> check_server_config(CLI::App& serve, const ConfigFile& file);
Outcome<void> check_client_config(CLI::App& root, const ConfigFile& file);

// The tables of a profile for the command at the end of `chain`; none if the file has no such
// profile.
FileLayer profile_layer(const ConfigFile& file, std::string_view profile,
                        const std::vector<CLI::App*>& chain);

// `key = value  # origin` a line, what is not set in a comment: of a server, again its file.
std::string settings_text(const std::vector<Setting>& settings);
boost::json::array settings_json(const std::vector<Setting>& settings);

}  // namespace mpyd::server::cli
