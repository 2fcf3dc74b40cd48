#include "server/app/housekeeper.hpp"

#include <spdlog/spdlog.h>
#include <chrono>

namespace mpyd::server {
namespace {

using std::chrono::seconds;

// After a failed write the server is unfit until one succeeds, and there may be nobody left who
// writes.
constexpr seconds kLookPause{10};
constexpr unsigned kLooksPerRun = 60;

}  // namespace

Housekeeper::Housekeeper(MaintenanceService& maintenance, HealthService& health)
    : maintenance_(maintenance),
      health_(health),
      thread_([this](const std::stop_token& stop) { work(stop); }) {}

void Housekeeper::work(const std::stop_token& stop) {
  // A minute after the start, when a fleet that waited for it has come back.
  unsigned looks_left = 6;
  std::unique_lock lock(mutex_);
  while (!waker_.wait_for(lock, stop, kLookPause, [&] { return stop.stop_requested(); })) {
    health_.write_again();
    if (--looks_left > 0) continue;
    looks_left = kLooksPerRun;
    keep(stop);
  }
}

void Housekeeper::keep(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto more = maintenance_.run();
    if (!more) spdlog::warn("maintenance failed, and is tried again: {}", more.error().message);
    if (!more || !*more) return;
  }
}

}  // namespace mpyd::server
