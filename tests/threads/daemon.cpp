// The daemon without the command line: threads_daemon serve --data DIR --listen A --admin-listen B
#include <cstdio>
#include <map>
#include <string>

#include "server/app/app.hpp"

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 2; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const auto done = mpyd::server::serve({.data_dir = options["--data"],
                                         .listen = options["--listen"],
                                         .admin_listen = options["--admin-listen"]});
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return 1;
}
