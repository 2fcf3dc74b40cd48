// How help looks: one style for all commands, at most 100 columns, commands by who needs them.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

namespace mpyd::server::cli {

// Options as `--name TEXT`, and behind their description, in brackets, whether they are required,
// their default, bounds and variable.
std::shared_ptr<CLI::Formatter> make_help_formatter();

// Puts the commands of `app` under headings. Throws CLI::OptionNotFound if one of them is missing.
void group_commands(CLI::App& app);

}  // namespace mpyd::server::cli
