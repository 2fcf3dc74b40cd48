// The agent's Transport over a real TCP socket that never waits.
#pragma once

#include "device-agent/core/ports.hpp"

namespace mpyd::test {

class SocketTransport final : public agent::Transport {
 public:
  SocketTransport() = default;
  SocketTransport(const SocketTransport&) = delete;
  SocketTransport& operator=(const SocketTransport&) = delete;
  ~SocketTransport() { close(); }

  // Sockets tell this epoll, under `token`, when something can be done.
  void watch(int epoll, std::uint32_t token) {
    epoll_ = epoll;
    token_ = token;
  }
  std::size_t connections() const { return connections_; }

  Result<void> open(const char* host, std::uint16_t port) override;
  Result<std::size_t> send(Bytes bytes) override;
  Result<std::size_t> receive(MutableBytes out) override;
  void close() override;

 private:
  int epoll_ = -1;
  std::uint32_t token_ = 0;
  int socket_ = -1;
  std::size_t connections_ = 0;
};

}  // namespace mpyd::test
