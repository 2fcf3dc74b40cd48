// Forgets what nobody needs any more; server/README.md lists what is kept how long.
#pragma once

#include <atomic>

#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

// An expired token can be told from an unknown one for so long, by whoever wonders why a device is
// refused.
inline constexpr std::uint64_t kExpiredTokenKept_s = std::uint64_t{90} * 24 * 3600;
// Rows of each kind that one run takes away at most: other writers wait for it.
inline constexpr std::size_t kForgottenPerRun = 500;

// Threads: any.
class MaintenanceService {
 public:
  MaintenanceService(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // One bounded run. True: there is more to do.
  Result<bool> run();

  // Since the start.
  std::uint64_t runs() const { return runs_; }
  std::uint64_t failures() const { return failures_; }
  std::uint64_t forgotten_requests() const { return requests_; }
  std::uint64_t forgotten_tokens() const { return tokens_; }

 private:
  Store& store_;
  const Clock& clock_;
  std::atomic<std::uint64_t> runs_ = 0;
  std::atomic<std::uint64_t> failures_ = 0;
  std::atomic<std::uint64_t> requests_ = 0;
  std::atomic<std::uint64_t> tokens_ = 0;
};

}  // namespace mpyd::server
