// Reading the audit log; whoever changes something writes it, in the same transaction.
#pragma once

#include <vector>

#include "server/storage/store.hpp"

namespace mpyd::server {

class AuditService {
 public:
  explicit AuditService(Store& store) : store_(store) {}

  // Oldest first, ids above `after`, at most 1000.
  Result<std::vector<AuditRow>> list(std::uint64_t after, std::size_t count_max) const;
  // The latest, oldest of them first, at most 1000.
  Result<std::vector<AuditRow>> newest(std::size_t count_max) const;

 private:
  Store& store_;
};

}  // namespace mpyd::server
