// Is the server fit to answer?
#pragma once

#include "server/storage/store.hpp"

namespace mpyd::server {

class HealthService {
 public:
  explicit HealthService(Store& store) : store_(store) {}

  // Reads one row. Errors: io, timeout.
  Result<void> ready() const;

 private:
  Store& store_;
};

}  // namespace mpyd::server
