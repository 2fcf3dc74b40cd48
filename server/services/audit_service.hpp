// Reading the audit log; whoever changes something writes it, in the same transaction.
#pragma once

#include "server/domain/page.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

class AuditService {
 public:
  explicit AuditService(Store& store) : store_(store) {}

  // Oldest first; with `latest`, more are those before the first one.
  Result<Page<AuditRow>> list(AuditLog::Filter filter) const;

  // Rows above `after`, at most 1000, and where the log ends, in one moment.
  struct Chain {
    std::vector<AuditRow> rows;
    AuditLog::End end;
  };
  Result<Chain> chain(std::uint64_t after, std::size_t count_max) const;

 private:
  Store& store_;
};

}  // namespace mpyd::server
