#include "server/services/audit_service.hpp"

#include <algorithm>

namespace mpyd::server {

Result<std::vector<AuditRow>> AuditService::list(std::uint64_t after, std::size_t count_max) const {
  constexpr std::size_t kRowsMax = 1000;
  return store_.get(
      [&](const Snapshot& s) { return s.audit().list(after, std::min(count_max, kRowsMax)); });
}

}  // namespace mpyd::server
