// How long the rest of a request's body may take.
//
// There are 15 seconds for it, and more by what comes of it, at the slowest rate we bear: 16 KiB/s.
// But there are never more than 15 seconds left: what came fast is no credit for later. So a link
// that is slow but steady is borne for as long as the body takes, with its ups and downs, and
// whoever sends much at once and then little, to hold our memory and a place, is cut off as soon as
// whoever never sent anything.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace mpyd::server::http {

class BodyDeadline {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit BodyDeadline(Time now) : at_(now + kTimeout) {}

  // By when more has to come. `received`: of the whole body, so far.
  Time after(std::size_t received, Time now) {
    const std::chrono::nanoseconds earned((received - counted_) * std::size_t{1'000'000'000} /
                                          kBytesPerSecondMin);
    counted_ = received;
    at_ = std::min(at_ + earned, now + kTimeout);
    return at_;
  }

 private:
  static constexpr std::chrono::seconds kTimeout{15};
  static constexpr std::size_t kBytesPerSecondMin = 16384;

  Time at_;
  std::size_t counted_ = 0;
};

}  // namespace mpyd::server::http
