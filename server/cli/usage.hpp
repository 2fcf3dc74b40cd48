// What to say of a command line that does not parse.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

// Names the word that is wrong, the one that was probably meant, and the help that shows how.
// `words` are the arguments behind the program's name; `error` is what the parser said of them.
Failure usage_failure(const CLI::App& app, const std::vector<std::string>& words,
                      const CLI::ParseError& error);

// What a parser says of the command `path` ("mpyd publish"), with what to do about it.
Failure parse_failure(const std::string& path, const std::string& message);

}  // namespace mpyd::server::cli
