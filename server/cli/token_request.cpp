#include "server/cli/token_request.hpp"

#include <boost/json/array.hpp>
#include <charconv>

#include "server/util/clock.hpp"

namespace mpyd::server::cli {

Outcome<std::uint64_t> parse_duration(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const std::uint64_t seconds = unit == "m"   ? 60
                                : unit == "h" ? 3600
                                : unit == "d" ? 86400
                                : unit == "w" ? 604800
                                              : 0;
  if (error != std::errc() || seconds == 0 || number == 0 || number > 5200)
    return failure(Errc::invalid_argument, "not a duration: " + text, "write 30d, 12h, 45m or 2w");
  return number * seconds;
}

Outcome<boost::json::object> request_token(const AdminClient& client,
                                           const TokenCreateOptions& options) {
  boost::json::object body{{"name", options.name}};
  boost::json::array& scopes = (body["scopes"] = boost::json::array()).get_array();
  for (const std::string& scope : options.scopes) scopes.emplace_back(scope);
  if (!options.expires.empty()) {
    MPYD_TRY_ASSIGN(const std::uint64_t seconds, parse_duration(options.expires));
    body["expires_unix_s"] = SystemClock().now_unix_s() + seconds;
  }
  if (options.uses != 0) body["uses_max"] = options.uses;
  if (options.approve) body["needs_approval"] = true;
  if (!options.hardware.empty()) {
    boost::json::array& hardware = (body["hardware"] = boost::json::array()).get_array();
    for (const std::string& pattern : options.hardware) hardware.emplace_back(pattern);
  }
  return client.post("/v1/admin/tokens", body);
}

}  // namespace mpyd::server::cli
