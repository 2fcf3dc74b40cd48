// What the daemon does by itself, on a thread of its own: one bounded piece at a time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "server/services/health_service.hpp"
#include "server/services/maintenance_service.hpp"

namespace mpyd::server {

class Housekeeper {
 public:
  // Both outlive it.
  Housekeeper(MaintenanceService& maintenance, HealthService& health);

 private:
  void work(const std::stop_token& stop);
  void keep(const std::stop_token& stop);

  MaintenanceService& maintenance_;
  HealthService& health_;
  std::mutex mutex_;
  std::condition_variable_any waker_;
  std::jthread thread_;  // last: it ends before what it uses
};

}  // namespace mpyd::server
