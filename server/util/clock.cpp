#include "server/util/clock.hpp"

#include <chrono>
#include <ctime>

namespace mpyd::server {

std::uint64_t SystemClock::now_unix_s() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count());
}

std::string format_time(std::uint64_t unix_s) {
  if (unix_s == 0) return "never";
  const auto seconds = static_cast<std::time_t>(unix_s);
  std::tm utc{};
  if (gmtime_r(&seconds, &utc) == nullptr) return "in the far future";
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
  return text;
}

}  // namespace mpyd::server
