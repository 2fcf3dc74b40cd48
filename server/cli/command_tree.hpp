// The table of commands as plain values, read from CLI11: what completions, the man page and the
// reference are made from, so that they say what the parser does.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace mpyd::server::cli {

struct OptionInfo {
  std::vector<std::string> names;    // with dashes; of an argument without any: its one name
  std::string what;                  // one sentence, without a full stop
  std::string type;                  // TEXT, FILE, NUMBER ...; empty: a flag
  std::string bounds;                // "1 to 8", empty: none
  std::vector<std::string> choices;  // the only values there are; empty: any
  std::string fallback;              // what it is by default; empty: nothing
  std::string variable;              // MPYD_X; empty: none
  bool is_argument = false;          // stands without a name
  bool is_required = false;
  bool is_repeatable = false;
  bool is_setting = false;  // a key of configuration files

  bool is_flag() const { return !is_argument && type.empty(); }
};

struct CommandInfo {
  std::string name;  // the last word
  std::string path;  // all words: mpyd trust floor
  std::string what;
  std::string footer;  // examples
  std::vector<OptionInfo> options;
  std::vector<CommandInfo> commands;

  // Whether it runs by itself; a mere group needs one of its commands.
  bool runs = true;
};

// What a range of CLI11 says of itself, "INT in [1 - 3650]" or "POSITIVE", as people do: 1 to 3650.
// Of bounds that are there for safety only, the lower one.
bool is_range(const std::string& description);
std::string range_text(const std::string& description);

// Borrows nothing. `--help` is an option of each command and left out.
CommandInfo describe_commands(const CLI::App& app);

}  // namespace mpyd::server::cli
