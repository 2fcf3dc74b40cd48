// One connection: requests in, answers out, one after the other, each step with a deadline.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <set>

#include "server/http/crowd.hpp"
#include "server/http/router.hpp"

namespace mpyd::server::http {

// What all sessions share. Touched on the I/O thread only.
struct SessionShared {
  boost::asio::thread_pool& pool;  // for Cost::slow
  unsigned slow_running = 0;       // waiting ones included
  bool draining = false;           // answer what is in flight, then close
  std::set<Session*> sessions;     // all that are open
};

using Socket = boost::asio::ip::tcp::socket;

// `crowd` is the listener's.
boost::asio::awaitable<void> run_session(Socket socket, const Application& application,
                                         Crowd& crowd, SessionShared& shared);
boost::asio::awaitable<void> run_tls_session(Socket socket, boost::asio::ssl::context& tls,
                                             const Application& application, Crowd& crowd,
                                             SessionShared& shared);

}  // namespace mpyd::server::http
