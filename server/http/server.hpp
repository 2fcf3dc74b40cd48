// Listeners, their connections, and an orderly end. One I/O thread, and a pool for what is slow.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/http/router.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

struct ListenerConfig {
  std::string address;             // "127.0.0.1:8780"; port 0: any free one
  const Application& application;  // outlives the server
  std::string tls_cert;            // PEM files; both or none
  std::string tls_key;
  std::string peers;  // CIDR: connections from elsewhere are closed at once; empty: any
  // With more, each new connection takes the place of the one that waits longest for its peer.
  unsigned connections_max = 1024;
  // Bodies and answers held for all connections together; 503 beyond. One token holds half of it
  // at most; 429 beyond. Half of it is at least one of the largest.
  std::size_t held_bytes_max = std::size_t{64} << 20;
};

// Does the address reach this machine only? Errors: invalid_argument.
Result<bool> is_loopback(const std::string& address);
// Is it a network, as ListenerConfig::peers takes it? Errors: invalid_argument.
Result<void> check_network(const std::string& cidr);

class Server {
 public:
  // `slow_threads`: how many requests of Cost::slow run at once.
  explicit Server(unsigned slow_threads);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  // Returns the address with its real port. Errors: invalid_argument (address, TLS files, peers),
  // conflict (the address is in use), forbidden, io.
  Result<std::string> listen(const ListenerConfig& config);

  // Called when the end begins, on the I/O thread, before the last requests are answered.
  void on_drain(std::function<void()> f);

  // Until SIGTERM, SIGINT or stop(); then requests in flight finish, at most ten seconds.
  void run();
  // From any thread.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mpyd::server::http
