// Addresses to listen on and networks to accept.
#pragma once

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <variant>

#include "server/util/error.hpp"

namespace mpyd::server::http {

// "127.0.0.1:8780" or "[::1]:8780"; no names. Errors: invalid_argument.
Result<boost::asio::ip::tcp::endpoint> parse_endpoint(const std::string& text);
// The same, the other way round.
std::string format_endpoint(const boost::asio::ip::tcp::endpoint& endpoint);

// A network in CIDR form. Errors: invalid_argument.
class Network {
 public:
  static Result<Network> parse(const std::string& text);
  // An IPv4 address in IPv6 dress counts as IPv4.
  bool contains(const boost::asio::ip::address& address) const;

 private:
  std::variant<boost::asio::ip::network_v4, boost::asio::ip::network_v6> network_;
};

}  // namespace mpyd::server::http
