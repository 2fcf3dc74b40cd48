#include "server/cli/command_tree.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace mpyd::server::cli {
namespace {

constexpr const char* kPositive = "POSITIVE";

// CLI::IsMember describes itself as {a,b,c}.
std::vector<std::string> choices_of(const std::string& description) {
  std::vector<std::string> out;
  if (!description.starts_with('{') || !description.ends_with('}')) return out;
  std::string_view rest = std::string_view(description).substr(1, description.size() - 2);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    out.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

// Two of our descriptions break lines for --help.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

OptionInfo describe(const CLI::Option& option) {
  OptionInfo out;
  for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  out.is_argument = option.get_positional();
  if (out.names.empty()) out.names.push_back(option.get_name(true));
  out.what = one_line(option.get_description());
  // "INT:INT in [1 - 8]": the type, then what its validators say of themselves.
  const std::string type = option.get_type_name();
  const std::size_t colon = std::min(type.find(':'), type.size());
  if (option.get_items_expected_max() != 0) out.type = type.substr(0, colon);
  if (out.type == "UINT" || out.type == "INT") out.type = "NUMBER";
  const std::string described = type.substr(std::min(colon + 1, type.size()));
  out.choices = choices_of(described);
  if (out.choices.empty()) out.bounds = is_range(described) ? range_text(described) : described;
  out.fallback = option.get_default_str();
  out.variable = option.get_envname();
  out.is_required = option.get_required();
  out.is_repeatable = option.get_items_expected_max() > 1;
  out.is_setting = option.get_configurable() && !out.is_argument && !option.get_lnames().empty();
  return out;
}

CommandInfo describe(const CLI::App& app, const std::string& parents) {
  CommandInfo out{.name = app.get_name(),
                  .path = parents.empty() ? app.get_name() : parents + " " + app.get_name(),
                  .what = app.get_description(),
                  .footer = app.get_footer(),
                  .runs = app.get_require_subcommand_min() == 0};
  for (const CLI::Option* option : app.get_options())
    if (option != app.get_help_ptr()) out.options.push_back(describe(*option));
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    out.commands.push_back(describe(*sub, out.path));
  return out;
}

}  // namespace

bool is_range(const std::string& description) {
  return description == kPositive || description.find(" in [") != std::string::npos;
}

std::string range_text(const std::string& description) {
  constexpr std::string_view kDash = " - ";
  constexpr std::size_t kDigitsMax = 9;  // nobody chooses by a bound of more
  if (description == kPositive) return "1 or more";
  const std::size_t open = description.find('[') + 1;
  const std::size_t dash = std::min(description.find(kDash, open), description.size());
  const std::size_t end = std::min(description.rfind(']'), description.size());
  const std::string low = description.substr(open, dash - open);
  if (dash + kDash.size() >= end) return low;
  const std::string high = description.substr(dash + kDash.size(), end - dash - kDash.size());
  return high.size() > kDigitsMax ? low + " or more" : low + " to " + high;
}

CommandInfo describe_commands(const CLI::App& app) { return describe(app, {}); }

}  // namespace mpyd::server::cli
