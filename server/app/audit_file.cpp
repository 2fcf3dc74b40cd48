#include "server/app/audit_file.hpp"

#include "server/storage/sqlite/migrate.hpp"
#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server {
namespace {

using sqlite::Connection;

Result<std::unique_ptr<Connection>> open_log(const std::string& database) {
  MPYD_TRY_ASSIGN(auto connection, Connection::open(database, sqlite::OpenMode::read_only));
  MPYD_TRY(sqlite::require_newest_schema(*connection));
  // One moment of the log, whatever is appended meanwhile.
  MPYD_TRY(connection->execute("BEGIN"));
  return connection;
}

}  // namespace

Result<AuditHead> read_audit_head(const std::string& database) {
  MPYD_TRY_ASSIGN(const auto connection, open_log(database));
  MPYD_TRY_ASSIGN(const AuditLog::End end, sqlite::SqliteAuditLog(*connection).end());
  return end.head;
}

Result<AuditVerdict> verify_audit(const std::string& database,
                                  const std::optional<AuditHead>& known,
                                  const AuditProgress& progress) {
  constexpr std::size_t kRowsAtOnce = 1000;
  MPYD_TRY_ASSIGN(const auto connection, open_log(database));
  const sqlite::SqliteAuditLog log(*connection);
  MPYD_TRY_ASSIGN(const AuditLog::End end, log.end());
  AuditChain chain(known);
  while (true) {
    MPYD_TRY_ASSIGN(const auto rows, log.list(chain.head().id, kRowsAtOnce));
    for (const AuditRow& row : rows)
      if (const auto found = chain.add(row))
        return AuditVerdict{chain.head(), found, chain.restored()};
    if (rows.size() < kRowsAtOnce) break;
    if (progress) progress(chain.head().id, end.head.id);
  }
  return AuditVerdict{chain.head(), chain.finish(end.numbered, end.foreign), chain.restored()};
}

}  // namespace mpyd::server
