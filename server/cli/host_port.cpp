#include "server/cli/host_port.hpp"

#include <charconv>

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kServerHostMax = 64;  // schema/mpyd/v1/identity.options

}  // namespace

Outcome<HostPort> parse_host_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  HostPort out;
  if (colon != std::string::npos) {
    out.host = text.substr(0, colon);
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, out.port);
    if (error != std::errc() || at != end) out.port = 0;
  }
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  if (out.host.empty() || out.host.size() > kServerHostMax || out.port == 0 ||
      out.host.find('/') != std::string::npos)
    return failure(Errc::invalid_argument, "not a device server: " + text,
                   "write HOST:PORT as the device reaches it, without http://");
  return out;
}

}  // namespace mpyd::server::cli
