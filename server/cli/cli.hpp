// The command line: one binary, one table of commands (cli.cpp), one file per command.
#pragma once

namespace mpyd::server::cli {

// Parses, runs one command, prints, and returns the exit code: 0 ok, 1 failed, 2 usage,
// 3 not authorised, 4 not found, 5 conflict, 6 verification failed, 7 network.
int run(int argc, const char* const* argv);

}  // namespace mpyd::server::cli
