#include "server/cli/profile_edit.hpp"

#include <algorithm>

#include "server/cli/config_file.hpp"

namespace mpyd::server::cli {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

const ConfigTable* profile_of(const ConfigFile& file, const std::string& profile) {
  const ConfigTable* const profiles = file.root.find_table("profile");
  return profiles == nullptr ? nullptr : profiles->find_table(profile);
}

std::string assignment(const ProfileChange& change) {
  return change.key + " = " + toml_quoted(*change.value);
}

// Whether a line is the plain `key = ...` of a table with a heading, and no `profile.x.key = ...`.
bool is_plain(const std::string& line, const std::string& key) {
  const std::size_t start = line.find_first_not_of(" \t");
  if (start == std::string::npos || line.compare(start, key.size(), key) != 0) return false;
  const std::size_t after = line.find_first_not_of(" \t", start + key.size());
  return after != std::string::npos && line[after] == '=';
}

bool is_as_wanted(const ConfigFile& file, const std::string& profile,
                  const std::vector<ProfileChange>& changes) {
  const ConfigTable* const table = profile_of(file, profile);
  return table != nullptr && std::ranges::all_of(changes, [&](const ProfileChange& change) {
           const ConfigValue* const value = table->find(change.key);
           if (!change.value || value == nullptr) return !change.value && value == nullptr;
           return value->texts == std::vector{*change.value};
         });
}

// Changes from bottom to top, so that the lines of those to come stay where they are.
void change_lines(std::vector<std::string>& lines, const ConfigTable& table,
                  const std::vector<ProfileChange>& changes) {
  struct Edit {
    unsigned line;       // the first to go, or after which to insert
    unsigned last_line;  // the last to go; 0: none
    std::optional<std::string> text;
  };
  std::vector<Edit> edits;
  for (const ProfileChange& change : changes) {
    const std::optional<std::string> text =
        change.value ? std::optional(assignment(change)) : std::nullopt;
    const ConfigValue* const value = table.find(change.key);
    if (value != nullptr && is_plain(lines[value->line - 1], change.key))
      edits.push_back({value->line, value->last_line, text});
    else if (value == nullptr && text)
      edits.push_back({table.line, 0, text});
  }
  std::ranges::stable_sort(edits, std::ranges::greater{}, &Edit::line);
  for (const Edit& edit : edits) {
    const auto at = lines.begin() + edit.line - (edit.last_line == 0 ? 0 : 1);
    const auto rest = edit.last_line == 0 ? at : lines.erase(at, lines.begin() + edit.last_line);
    if (edit.text) lines.insert(rest, *edit.text);
  }
}

}  // namespace

Outcome<std::string> change_profile(std::string_view text, const std::string& path,
                                    const std::string& profile,
                                    const std::vector<ProfileChange>& changes) {
  MPYD_TRY_ASSIGN(const ConfigFile before, parse_config(text, path));
  std::vector<std::string> lines = lines_of(text);
  const ConfigTable* const table = profile_of(before, profile);
  if (table == nullptr) {
    if (!lines.empty()) lines.emplace_back();
    lines.push_back("[profile." + profile + "]");
    for (const ProfileChange& change : changes)
      if (change.value) lines.push_back(assignment(change));
    if (before.root.find("default") == nullptr && before.root.find_table("profile") == nullptr)
      lines.insert(lines.begin(), {"default = " + toml_quoted(profile), ""});
  } else {
    change_lines(lines, *table, changes);
  }
  std::string out = text_of(lines);
  // Whatever TOML allows, what is written says what was meant.
  const auto after = parse_config(out, path);
  if (after && is_as_wanted(*after, profile, changes)) return out;
  return failure(Errc::conflict,
                 path + ": the profile '" + profile +
                     "' is not written as a table with one key a line, and was not changed",
                 "write it as [profile." + profile +
                     "] with a line for each key, or use another "
                     "--profile");
}

}  // namespace mpyd::server::cli
