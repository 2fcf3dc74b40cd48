#include "server/http/server.hpp"

#include <openssl/ssl.h>
#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <list>

#include "server/http/address.hpp"
#include "server/http/session.hpp"

namespace mpyd::server::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using boost::system::system_error;

constexpr std::chrono::seconds kDrainTimeout{10};
// What the kernel may hold for a peer that does not read; left to itself it takes megabytes each,
// until it has none for anybody.
constexpr int kSendBufferBytes = 65536;
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kFullWarningPause{10};

struct Listener {
  tcp::acceptor acceptor;
  const Application& application;
  std::optional<asio::ssl::context> tls;
  std::optional<Network> peers;
  const unsigned connections_max;
  Crowd& crowd;
  unsigned connections = 0;  // open now
  std::optional<std::chrono::steady_clock::time_point> warned_full;
};

// Not once per connection: whoever crowds a listener would fill the log as well.
void warn_full(Listener& listener) {
  const auto now = std::chrono::steady_clock::now();
  if (listener.warned_full && now - *listener.warned_full < kFullWarningPause) return;
  listener.warned_full = now;
  error_code ec;
  spdlog::warn("{} has {} open connections, its most: new ones take the places of the idlest",
               format_endpoint(listener.acceptor.local_endpoint(ec)), listener.connections);
}

Result<asio::ssl::context> make_tls(const std::string& cert, const std::string& key) {
  asio::ssl::context tls(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  error_code ec;
  tls.use_certificate_chain_file(cert, ec);
  if (ec)
    return fail(Errc::invalid_argument, "cannot use the certificate " + cert + ": " + ec.message());
  tls.use_private_key_file(key, asio::ssl::context::pem, ec);
  if (ec)
    return fail(Errc::invalid_argument, "cannot use the private key " + key + ": " + ec.message());
  return tls;
}

Error listen_error(const std::string& address, const error_code& ec) {
  const Errc code = ec == asio::error::address_in_use  ? Errc::conflict
                    : ec == asio::error::access_denied ? Errc::forbidden
                                                       : Errc::io;
  return Error(code, "cannot listen on " + address + ": " + ec.message() +
                         (code == Errc::conflict ? "; end what listens there, or name another "
                                                   "--listen or --admin-listen"
                                                 : ""));
}

// Closes the connection that waits longest for its peer: whoever holds places without using them
// must not keep others out. False: every connection has a request at work.
bool make_room(Listener& listener) {
  warn_full(listener);
  if (listener.crowd.waiting.empty()) return false;
  listener.crowd.waiting.front()->evict();
  return true;
}

// A connection that broke says so by an exception; there is nobody left to tell.
void forget_broken(const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const system_error& e) {
    spdlog::debug("connection: {}", e.what());
  } catch (const std::exception& e) {
    spdlog::error("connection: {}", e.what());
  }
}

}  // namespace

Result<bool> is_loopback(const std::string& address) {
  MPYD_TRY_ASSIGN(const tcp::endpoint endpoint, parse_endpoint(address));
  return endpoint.address().is_loopback();
}

Result<void> check_network(const std::string& cidr) {
  MPYD_TRY(Network::parse(cidr));
  return {};
}

struct Server::State {
  explicit State(unsigned slow_threads) : pool(slow_threads), shared{.pool = pool} {}

  asio::awaitable<void> accept(Listener& listener);
  void begin(Listener& listener, Socket socket);
  void drain();

  asio::thread_pool pool;
  SessionShared shared;
  // Sessions that are cut off end with `io`, and still use what stands before it.
  std::list<Crowd> crowds;
  asio::io_context io{1};
  std::list<Listener> listeners;
  asio::signal_set signals{io, SIGTERM, SIGINT};
  asio::steady_timer drain_timer{io};
  std::function<void()> on_drain;
};

asio::awaitable<void> Server::State::accept(Listener& listener) {
  asio::steady_timer pause(io);
  while (listener.acceptor.is_open()) {
    error_code ec;
    Socket socket(io);
    co_await listener.acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
    if (!ec) {
      begin(listener, std::move(socket));
    } else if (listener.acceptor.is_open()) {
      // Out of descriptors, most likely: trying again at once would only burn the processor.
      spdlog::warn("cannot accept a connection: {}", ec.message());
      pause.expires_after(kAcceptPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
  }
}

void Server::State::begin(Listener& listener, Socket socket) {
  error_code ec;
  const tcp::endpoint peer = socket.remote_endpoint(ec);
  if (ec || (listener.peers && !listener.peers->contains(peer.address()))) return;
  if (listener.connections >= listener.connections_max && !make_room(listener)) return;
  socket.set_option(tcp::no_delay(true), ec);
  auto session = listener.tls
                     ? run_tls_session(std::move(socket), *listener.tls, listener.application,
                                       listener.crowd, shared)
                     : run_session(std::move(socket), listener.application, listener.crowd, shared);
  ++listener.connections;
  asio::co_spawn(io, std::move(session), [&listener](const std::exception_ptr& failure) {
    --listener.connections;
    forget_broken(failure);
  });
}

void Server::State::drain() {
  if (shared.draining) return;
  shared.draining = true;
  if (on_drain) on_drain();
  error_code ignored;
  for (Listener& listener : listeners) listener.acceptor.close(ignored);
  signals.cancel(ignored);
  for (Session* session : shared.sessions) session->close_if_idle();
  drain_timer.expires_after(kDrainTimeout);
  drain_timer.async_wait([this](const error_code& ec) {
    if (!ec) io.stop();
  });
  asio::co_spawn(
      io,
      [this]() -> asio::awaitable<void> {
        asio::steady_timer look(io);
        while (!shared.sessions.empty()) {
          look.expires_after(std::chrono::milliseconds(10));
          co_await look.async_wait(asio::use_awaitable);
        }
        drain_timer.cancel();
      },
      asio::detached);
}

Server::Server(unsigned slow_threads) : state_(std::make_unique<State>(slow_threads)) {}
Server::~Server() = default;

Result<std::string> Server::listen(const ListenerConfig& config) {
  MPYD_TRY_ASSIGN(const tcp::endpoint endpoint, parse_endpoint(config.address));
  Listener listener{
      .acceptor = tcp::acceptor(state_->io),
      .application = config.application,
      .connections_max = config.connections_max,
      .crowd = state_->crowds.emplace_back(Crowd{.bytes = {.max = config.held_bytes_max}})};
  if (!config.peers.empty()) {
    MPYD_TRY_ASSIGN(listener.peers, Network::parse(config.peers));
  }
  if (!config.tls_cert.empty() || !config.tls_key.empty()) {
    MPYD_TRY_ASSIGN(listener.tls, make_tls(config.tls_cert, config.tls_key));
  }
  error_code ec;
  tcp::acceptor& acceptor = listener.acceptor;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  // Accepted sockets inherit it.
  if (!ec) acceptor.set_option(tcp::acceptor::send_buffer_size(kSendBufferBytes), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(tcp::acceptor::max_listen_connections, ec);
  if (ec) return fail(listen_error(config.address, ec));
  std::string bound = format_endpoint(acceptor.local_endpoint(ec));
  state_->listeners.push_back(std::move(listener));
  asio::co_spawn(state_->io, state_->accept(state_->listeners.back()), asio::detached);
  return bound;
}

void Server::on_drain(std::function<void()> f) { state_->on_drain = std::move(f); }

void Server::run() {
  state_->signals.async_wait([this](const error_code& ec, int signal) {
    if (ec) return;
    spdlog::info("signal {}: finishing what is in flight", signal);
    state_->drain();
  });
  state_->io.run();
  state_->pool.join();
}

void Server::stop() {
  asio::post(state_->io, [this] { state_->drain(); });
}

}  // namespace mpyd::server::http
