// What time it is. A seam, because expiry and audit are tested without waiting.
#pragma once

#include <cstdint>
#include <string>

namespace mpyd::server {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::uint64_t now_unix_s() const = 0;
};

class SystemClock final : public Clock {
 public:
  std::uint64_t now_unix_s() const override;
};

// 2026-11-22 13:40 UTC; "never" for 0.
std::string format_time(std::uint64_t unix_s);

}  // namespace mpyd::server
