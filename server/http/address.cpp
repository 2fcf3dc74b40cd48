#include "server/http/address.hpp"

#include <charconv>

namespace mpyd::server::http {
namespace {

namespace ip = boost::asio::ip;
using boost::system::error_code;

// The network of `prefix` bits that an address lies in.
ip::network_v4 network_around(const ip::address_v4& address, unsigned short prefix) {
  return ip::network_v4(address, prefix).canonical();
}
ip::network_v6 network_around(const ip::address_v6& address, unsigned short prefix) {
  return ip::network_v6(address, prefix).canonical();
}

}  // namespace

Result<ip::tcp::endpoint> parse_endpoint(const std::string& text) {
  const auto wrong = [&] {
    return fail(Errc::invalid_argument,
                "'" + text + "' is no address to listen on; write 127.0.0.1:8780 or [::1]:8780");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong();
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string_view digits = std::string_view(text).substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failed != std::errc{} || end != digits.data() + digits.size()) return wrong();
  error_code ec;
  const ip::address address = ip::make_address(host, ec);
  if (ec) return wrong();
  return ip::tcp::endpoint(address, port);
}

std::string format_endpoint(const ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

Result<Network> Network::parse(const std::string& text) {
  Network out;
  error_code ec;
  const auto v4 = ip::make_network_v4(text, ec);
  if (!ec) {
    out.network_ = v4.canonical();
    return out;
  }
  const auto v6 = ip::make_network_v6(text, ec);
  if (ec)
    return fail(Errc::invalid_argument,
                "'" + text + "' is no network; write it as 10.0.0.0/8 or fd00::/8");
  out.network_ = v6.canonical();
  return out;
}

bool Network::contains(const ip::address& address) const {
  const bool mapped = address.is_v6() && address.to_v6().is_v4_mapped();
  if (const auto* v4 = std::get_if<ip::network_v4>(&network_)) {
    if (!address.is_v4() && !mapped) return false;
    const ip::address_v4 plain =
        mapped ? ip::make_address_v4(ip::v4_mapped, address.to_v6()) : address.to_v4();
    return network_around(plain, v4->prefix_length()) == *v4;
  }
  const auto& v6 = std::get<ip::network_v6>(network_);
  return address.is_v6() && !mapped && network_around(address.to_v6(), v6.prefix_length()) == v6;
}

}  // namespace mpyd::server::http
