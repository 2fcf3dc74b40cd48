// The audit log of a database, read without a daemon, or beside one. Nothing is changed.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/domain/audit.hpp"

namespace mpyd::server {

// Errors: not_found, unsupported (a newer one, or one from before the chain), io.
Result<AuditHead> read_audit_head(const std::string& database);

struct AuditVerdict {
  AuditHead head;  // as far as the log is whole
  std::optional<AuditBreak> found;
  std::uint64_t restored = 0;  // AuditChain::restored()
};
using AuditProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;  // rows
// `known`: a head noted earlier. Errors: as read_audit_head.
Result<AuditVerdict> verify_audit(const std::string& database,
                                  const std::optional<AuditHead>& known,
                                  const AuditProgress& progress);

}  // namespace mpyd::server
