#include "server/services/audit_service.hpp"

#include <algorithm>

namespace mpyd::server {
namespace {

constexpr std::size_t kRowsMax = 1000;

}  // namespace

Result<std::vector<AuditRow>> AuditService::list(std::uint64_t after, std::size_t count_max) const {
  return store_.get(
      [&](const Snapshot& s) { return s.audit().list(after, std::min(count_max, kRowsMax)); });
}

Result<std::vector<AuditRow>> AuditService::newest(std::size_t count_max) const {
  return store_.get(
      [&](const Snapshot& s) { return s.audit().newest(std::min(count_max, kRowsMax)); });
}

}  // namespace mpyd::server
