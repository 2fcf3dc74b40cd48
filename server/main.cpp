#include "server/cli/cli.hpp"

int main(int argc, char** argv) { return mpyd::server::cli::run(argc, argv); }
