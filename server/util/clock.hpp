// What time it is. A seam, because expiry and audit are tested without waiting.
#pragma once

#include <cstdint>

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

}  // namespace mpyd::server
