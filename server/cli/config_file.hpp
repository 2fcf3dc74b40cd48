// A configuration file as it stands: keys, values and lines, without any idea of what they mean.
// The only code that knows TOML.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

struct ConfigValue {
  enum class Kind { text, number, flag };

  std::string key;
  Kind kind = Kind::text;
  bool is_list = false;
  std::vector<std::string> texts;  // one, or those of a list; numbers in decimal, true, false
  unsigned line = 0;               // from 1; where the value begins
  unsigned last_line = 0;          // where it ends
};

struct ConfigTable {
  std::string name;
  unsigned line = 0;  // of its heading; 0: it has none
  std::vector<ConfigValue> values;
  std::vector<ConfigTable> tables;

  const ConfigValue* find(std::string_view key) const;
  const ConfigTable* find_table(std::string_view name) const;
};

struct ConfigFile {
  std::string path;
  ConfigTable root;

  std::string at(unsigned line) const { return path + ":" + std::to_string(line); }
};

// `path` is for messages. Errors: invalid_argument (no TOML, a value that is no text, number, flag
// or list of these of one kind; with file and line), limit (deeper than four tables).
Outcome<ConfigFile> parse_config(std::string_view toml, const std::string& path);

// Absent: nothing. Errors: those of parse_config, forbidden (somebody but its owner and root may
// write it, or the owner is somebody else), limit (above 64 KiB), io.
Outcome<std::optional<ConfigFile>> load_config(const std::string& path);

// The text of a file that load_config takes; absent: nothing. Errors: as load_config.
Outcome<std::optional<std::string>> read_config(const std::string& path);

// A basic string of TOML, with its quotes.
std::string toml_quoted(std::string_view text);

}  // namespace mpyd::server::cli
