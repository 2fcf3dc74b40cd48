#include "server/services/audit_service.hpp"

namespace mpyd::server {

namespace {

constexpr std::size_t kRowsMax = 1000;  // of the chain at once

}  // namespace

Result<Page<AuditRow>> AuditService::list(AuditLog::Filter filter) const {
  const std::size_t count_max = filter.count_max++;
  MPYD_TRY_ASSIGN(auto rows, store_.get([&](const Snapshot& s) { return s.audit().find(filter); }));
  if (!filter.latest) return make_page(std::move(rows), count_max);
  const bool has_more = rows.size() > count_max;
  if (has_more) rows.erase(rows.begin());
  return Page<AuditRow>{std::move(rows), has_more};
}

Result<AuditService::Chain> AuditService::chain(std::uint64_t after, std::size_t count_max) const {
  return store_.get([&](const Snapshot& s) -> Result<Chain> {
    Chain out;
    MPYD_TRY_ASSIGN(out.rows, s.audit().list(after, std::min(count_max, kRowsMax)));
    MPYD_TRY_ASSIGN(out.end, s.audit().end());
    return out;
  });
}

}  // namespace mpyd::server
