#include "server/services/maintenance_service.hpp"

#include "server/services/request_memory.hpp"

namespace mpyd::server {

Result<bool> MaintenanceService::run() {
  const std::uint64_t now = clock_.now_unix_s();
  std::uint64_t requests = 0;
  std::size_t tokens = 0;
  const Result<void> done = store_.write([&](Transaction& tx) -> Result<void> {
    if (now > kRequestRemembered_s) {
      MPYD_TRY_ASSIGN(requests,
                      tx.requests().forget_before(now - kRequestRemembered_s, kForgottenPerRun));
    }
    if (now <= kExpiredTokenKept_s) return {};
    MPYD_TRY_ASSIGN(const auto names,
                    tx.tokens().expired_before(now - kExpiredTokenKept_s, kForgottenPerRun));
    for (const std::string& name : names) {
      MPYD_TRY(tx.tokens().remove(name));
      MPYD_TRY(tx.audit().append({now, "maintenance", "token-forget", name}));
    }
    tokens = names.size();
    return {};
  });
  if (!done) {
    ++failures_;
    return fail(done.error());
  }
  ++runs_;
  requests_ += requests;
  tokens_ += tokens;
  return requests == kForgottenPerRun || tokens == kForgottenPerRun;
}

}  // namespace mpyd::server
