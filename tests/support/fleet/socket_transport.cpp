#include "tests/support/fleet/socket_transport.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

namespace mpyd::test {

// Numbers only: a fleet on loopback needs no names, and looking them up would wait.
Result<void> SocketTransport::open(const char* host, std::uint16_t port) {
  close();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return fail(Errc::unreachable);
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return fail(Errc::unreachable);
  ++connections_;
  const int on = 1;
  (void)setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u32 = token_;
  (void)epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      errno != EINPROGRESS)
    return fail(Errc::unreachable);
  return {};
}

Result<std::size_t> SocketTransport::send(Bytes bytes) {
  const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  // ENOTCONN: still connecting.
  if (errno == EAGAIN || errno == ENOTCONN || errno == EINTR) return std::size_t{0};
  return fail(Errc::unreachable);
}

Result<std::size_t> SocketTransport::receive(MutableBytes out) {
  const ssize_t got = ::recv(socket_, out.data(), out.size(), 0);
  if (got > 0) return static_cast<std::size_t>(got);
  if (got < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINTR)) return std::size_t{0};
  return fail(Errc::unreachable);
}

void SocketTransport::close() {
  if (socket_ >= 0) ::close(socket_);  // leaves the epoll by itself
  socket_ = -1;
}

}  // namespace mpyd::test
