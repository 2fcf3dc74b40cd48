#include "server/cli/usage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/algorithm/string/case_conv.hpp>
#include <regex>

#include "server/cli/nearest.hpp"

namespace mpyd::server::cli {
namespace {

// The command that the words so far name.
struct Place {
  const CLI::App* app;
  std::string path;  // "mpyd release list"
};

Failure usage_error(std::string message, std::string hint) {
  return {Error(Errc::invalid_argument, std::move(message)), std::move(hint)};
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) { return app.get_subcommands({}); }

// Null if there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* const command : commands_of(app))
    if (command->get_name() == name) return command;
  return nullptr;
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> out;
  for (const CLI::App* command : commands) out.push_back(command->get_name());
  return out;
}

bool has_positionals(const CLI::App& app) {
  return !app.get_options([](const CLI::Option* option) { return option->get_positional(); })
              .empty();
}

// Options of a group and of the program itself may stand behind a command, too.
const CLI::Option* find_option(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent())
    if (const CLI::Option* const option = app->get_option_no_throw(name)) return option;
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> out;
  for (; app != nullptr; app = app->get_parent())
    for (const CLI::Option* const option : app->get_options())
      for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

// Where a command of this name is, somewhere below; empty if it is nowhere.
std::string path_of(const Place& place, const std::string& name) {
  for (const CLI::App* const command : commands_of(*place.app)) {
    const Place below{command, place.path + " " + command->get_name()};
    if (command->get_name() == name) return below.path;
    if (const std::string found = path_of(below, name); !found.empty()) return found;
  }
  return {};
}

Failure unknown_command(const Place& root, const Place& place, const std::string& word) {
  if (word == "help" || word == "version")
    return usage_error(
        "there is no command '" + word + "' in " + place.path,
        "it is an option: " + (word == "help" ? place.path : root.path) + " --" + word);
  const std::vector<std::string> names = names_of(commands_of(*place.app));
  std::string meant = similar_name(word, names);
  if (!meant.empty()) meant = place.path + " " + meant;
  if (meant.empty()) meant = path_of(root, word);
  return usage_error("there is no command '" + word + "' in " + place.path,
                     meant.empty() ? place.path + " --help lists those that there are"
                                   : "did you mean " + meant + "?");
}

Failure unknown_option(const Place& place, const std::string& word) {
  const std::string meant = similar_name(word, option_names(place.app));
  return usage_error(
      place.path + " has no option " + word,
      (meant.empty() ? "" : "did you mean " + meant + "? ") + place.path + " --help lists all");
}

// What to do about an option that is missing, where its description is not enough.
std::string advice_for(const std::string& message) {
  if (message.starts_with("--root "))
    return "name the root document to trust: root.mpyd, which mpyd init wrote into its --keys "
           "directory";
  return {};
}

// An argument is called as help calls it: FILE is required.
std::string with_arguments_named(const std::string& message) {
  const std::size_t end = message.find_first_of(": ");
  if (message.starts_with('-') || end == std::string::npos) return message;
  const std::string rest = message.substr(end);
  return rest.starts_with(':') || rest.starts_with(" is ")
             ? boost::to_upper_copy(message.substr(0, end)) + rest
             : message;
}

// {a,b} of a validator is read as a, b.
std::string spaced(const std::string& message) {
  static const std::regex comma(",(?! )");
  return std::regex_replace(message, comma, ", ");
}

// What CLI11 says of values, in words of ours; what is not listed here stays as it is.
std::string translated(const std::string& message) {
  struct Row {
    std::regex said;
    const char* meant;
  };
  static const std::vector<Row> rows = {
      {std::regex("Could not convert: ([^ ]+) = (.*)"), "$1 is a number, and $2 is none"},
      {std::regex("([^ ]+): Value (.*) not in range 0\\.0+ to [0-9]{40}.*"),
       "$1 is 1 or more, not $2"},
      {std::regex("([^ ]+): Value (.*) not in range (.*) to (.*)"), "$1 is $3 to $4, not $2"},
      {std::regex("([^ ]+): (.*) not in \\{(.*)\\}"), "$1 is one of $3, not $2"},
      {std::regex("([^ ]+): 1 required ([^ ]+) missing"), "$1 needs a value: $2"},
      {std::regex("([^ ]+) excludes (.*)"), "$1 and $2 do not go together"},
      {std::regex("([^ ]+) requires (.*)"), "$1 needs $2 as well"},
  };
  constexpr std::size_t kMessageBytesMax = 1000;  // a regex of this library recurses
  if (message.size() > kMessageBytesMax) return message;
  for (const Row& row : rows)
    if (std::regex_match(message, row.said))
      return spaced(std::regex_replace(message, row.said, row.meant));
  return message;
}

}  // namespace

Failure parse_failure(const std::string& path, const std::string& message) {
  const std::string advice = advice_for(message);
  return usage_error(path + ": " + with_arguments_named(translated(message)),
                     advice.empty() ? path + " --help shows how" : advice);
}

Failure usage_failure(const CLI::App& app, const std::vector<std::string>& words,
                      const CLI::ParseError& error) {
  const Place root{&app, "mpyd"};
  Place place = root;
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    const std::string& word = words[i];
    if (word.size() > 1 && word[0] == '-') {
      const std::size_t equals = word.find('=');
      const CLI::Option* const option = find_option(place.app, word.substr(0, equals));
      if (option == nullptr) return unknown_option(place, word.substr(0, equals));
      // Its value is no command.
      if (equals == std::string::npos && option->get_items_expected_min() > 0) ++i;
    } else if (const CLI::App* const command = find_command(*place.app, word)) {
      place = {command, place.path + " " + word};
    } else if (!has_positionals(*place.app)) {
      if (!commands_of(*place.app).empty()) return unknown_command(root, place, word);
      return usage_error(place.path + " takes no argument '" + word + "'",
                         place.path + " --help shows what it takes");
    }
  }
  if (place.app->get_require_subcommand_min() > 0)
    return usage_error(fmt::format("{} needs a command: {}", place.path,
                                   fmt::join(names_of(commands_of(*place.app)), ", ")),
                       place.path + " --help says what each does");
  return parse_failure(place.path, error.what());
}

}  // namespace mpyd::server::cli
