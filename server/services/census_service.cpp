#include "server/services/census_service.hpp"

namespace mpyd::server {

Result<Census> CensusService::count() const {
  return store_.get([](const Snapshot& s) -> Result<Census> {
    Census out;
    MPYD_TRY_ASSIGN(out.releases, s.releases().totals());
    MPYD_TRY_ASSIGN(out.devices, s.devices().count_by_state());
    MPYD_TRY_ASSIGN(out.slots, s.devices().count_slots());
    MPYD_TRY_ASSIGN(out.tokens, s.tokens().count());
    MPYD_TRY_ASSIGN(const AuditLog::End end, s.audit().end());
    out.audit_rows = end.head.id;
    return out;
  });
}

}  // namespace mpyd::server
