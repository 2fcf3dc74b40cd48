#include "server/cli/help.hpp"

#include <algorithm>
#include <boost/algorithm/string/case_conv.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "server/cli/command_tree.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kNameColumns = 30;
constexpr std::size_t kTextColumns = 70;

struct CommandGroup {
  const char* heading;
  std::vector<const char*> commands;
};

// Whoever adds a command adds it here; a test finds what stands nowhere.
const std::vector<CommandGroup>& command_groups() {
  static const std::vector<CommandGroup> groups = {
      {"Publish drivers and make boards", {"keygen", "pack", "publish", "inspect", "eeprom"}},
      {"Find what is published", {"search", "info", "diff", "pull"}},
      {"Operate a fleet",
       {"device", "inventory", "release", "trust", "explain", "token", "audit", "stats"}},
      {"Run a server", {"init", "serve", "doctor", "backup", "restore"}},
      {"Log in and get help",
       {"login", "logout", "whoami", "config", "completion", "man", "reference"}},
  };
  return groups;
}

// Breaks at blanks; a longer word stands alone.
std::string wrapped(const std::string& text, std::size_t columns) {
  std::istringstream words(text);
  std::string out;
  std::size_t used = 0;
  for (std::string word; words >> word; used += word.size()) {
    if (used != 0 && used + 1 + word.size() > columns) {
      out += '\n';
      used = 0;
    } else if (used != 0) {
      out += ' ';
      ++used;
    }
    out += word;
  }
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// "HOST:PORT" and the like say what the option's name for its value says already.
std::string bounds_of(const std::string& check) {
  if (check.starts_with('{')) return replaced(check.substr(1, check.size() - 2), ",", ", ");
  return is_range(check) ? range_text(check) : std::string();
}

// As help writes it: --hardware-id, or FILE of an argument.
std::string shown_name(const CLI::Option& option) {
  return option.get_positional() ? boost::to_upper_copy(option.get_name(true)) : option.get_name();
}

class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(kNameColumns);
    label("SUBCOMMAND", "COMMAND");
    label("Positionals", "Arguments");
  }

  // An argument is called what people put in its place: ID, FILE.
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    const std::string name = CLI::Formatter::make_option_name(option, is_positional);
    return is_positional ? boost::to_upper_copy(name) : name;
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return {};
    if (option->get_positional()) return is_repeated(option) ? "..." : "";
    const std::string full = option->get_type_name();
    const std::string type = full.substr(0, full.find(':'));  // checks follow
    std::string out = type == "UINT" || type == "INT" ? " NUMBER" : " " + type;
    if (is_repeated(option)) out += "...";
    return out;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string notes;
    const auto add = [&notes](const std::string& note) {
      if (!note.empty()) notes += (notes.empty() ? " [" : "; ") + note;
    };
    if (option->get_type_size() != 0) {
      if (option->get_required()) add("required");
      const std::string type = option->get_type_name();
      if (const std::size_t colon = type.find(':'); colon != std::string::npos)
        add(bounds_of(type.substr(colon + 1)));
      if (!option->get_default_str().empty()) add("default " + option->get_default_str());
    }
    if (!option->get_envname().empty()) add("or " + option->get_envname());
    for (const CLI::Option* const other : option->get_needs()) add("with " + shown_name(*other));
    for (const CLI::Option* const other : option->get_excludes())
      add("not with " + shown_name(*other));
    if (!notes.empty()) notes += "]";
    return wrapped(option->get_description() + notes, kTextColumns);
  }

  // Its own version leaves two blank lines between groups.
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    return replaced(CLI::Formatter::make_help(app, std::move(name), mode), "\n\n\n", "\n\n");
  }

  std::string make_footer(const CLI::App* app) const override {
    const bool runs = app->get_parent() != nullptr && app->get_require_subcommand_min() == 0;
    return CLI::Formatter::make_footer(app) +
           (runs ? "\nEvery command takes --json, --quiet and --profile NAME, too.\n" : "");
  }

 private:
  static bool is_repeated(const CLI::Option* option) {
    return option->get_expected_max() >= CLI::detail::expected_max_vector_size;
  }
};

void group_below(CLI::App& app) {
  for (CLI::App* const command : app.get_subcommands({})) {
    command->group("Commands");
    group_below(*command);
  }
}

}  // namespace

std::shared_ptr<CLI::Formatter> make_help_formatter() { return std::make_shared<HelpFormatter>(); }

void group_commands(CLI::App& app) {
  group_below(app);
  for (const CommandGroup& group : command_groups())
    for (const char* const name : group.commands) app.get_subcommand(name)->group(group.heading);
}

}  // namespace mpyd::server::cli
