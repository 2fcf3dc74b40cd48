// The daemon's composition root: builds the parts in order of dependency and runs them.
#pragma once

#include <optional>
#include <string>

#include "server/util/error.hpp"

namespace mpyd::server {

struct ServeConfig {
  std::string data_dir;
  std::string listen = "127.0.0.1:8780";        // devices and packages; port 0: any free one
  std::string admin_listen = "127.0.0.1:8781";  // /v1/admin; beyond loopback needs TLS or a proxy
  std::string tls_cert;                         // PEM files for the admin listener; both or none
  std::string tls_key;
  std::string behind_proxy;  // CIDR: admin connections come from there only; TLS ends at the proxy
  // Of each listener, so that a crowd at one locks nobody out of the other. Fewer devices where the
  // system allows fewer open files.
  unsigned device_connections_max = 12288;
  unsigned admin_connections_max = 256;
  // Bodies and answers in memory at once, of each listener.
  std::size_t device_held_bytes_max = std::size_t{64} << 20;
  std::size_t admin_held_bytes_max = std::size_t{192} << 20;
  unsigned slow_threads = 2;        // for publishing and administration
  std::string log_format = "text";  // or json
  std::string log_level = "info";   // debug, info, warn or error
};

// Runs until SIGTERM or SIGINT, then lets requests in flight finish (at most ten seconds) and
// returns. Says on stderr where it listens and writes DIR/serve.json
// {"listen":"127.0.0.1:8780","admin_listen":"127.0.0.1:8781","pid":1} while it runs.
// Errors: not_found (not a data directory), conflict (another daemon runs on it), unsupported (a
// newer database), invalid_argument (addresses, TLS files), forbidden (admin beyond loopback in
// clear), io.
Result<void> serve(const ServeConfig& config);

}  // namespace mpyd::server
