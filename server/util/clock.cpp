#include "server/util/clock.hpp"

#include <chrono>

namespace mpyd::server {

std::uint64_t SystemClock::now_unix_s() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(since_epoch).count());
}

}  // namespace mpyd::server
