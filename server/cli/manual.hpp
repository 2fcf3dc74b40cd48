// What is generated from the table of commands: completions of shells, the man page, the reference.
#pragma once

#include <string>

#include "server/cli/command_tree.hpp"
#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

// For `shell`: bash, zsh or fish. Errors: invalid_argument.
Outcome<std::string> completion_script(const CommandInfo& program, const std::string& shell);
// mpyd.1, in roff with man(7)'s macros.
std::string man_page(const CommandInfo& program, const std::string& version);
// The same in Markdown.
std::string reference(const CommandInfo& program);

}  // namespace mpyd::server::cli
