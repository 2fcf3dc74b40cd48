// HOST:PORT of a device server, as devices reach it.
#pragma once

#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

// HOST:PORT or [IPv6]:PORT. Errors: invalid_argument.
Outcome<HostPort> parse_host_port(const std::string& text);

}  // namespace mpyd::server::cli
