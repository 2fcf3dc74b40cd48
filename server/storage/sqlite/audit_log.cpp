#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {
namespace {

#define MPYD_AUDIT_COLUMNS "id, time_unix_s, actor, action, subject, detail"

Result<std::vector<AuditRow>> read_rows(Statement& rows) {
  std::vector<AuditRow> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    AuditEvent event{.time_unix_s = rows.u64(1),
                     .actor = std::string(rows.text(2)),
                     .action = std::string(rows.text(3)),
                     .subject = std::string(rows.text(4)),
                     .detail = std::string(rows.text(5))};
    out.push_back({rows.u64(0), std::move(event)});
  }
}

}  // namespace

Result<std::vector<AuditRow>> SqliteAuditLog::list(std::uint64_t after,
                                                   std::size_t count_max) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_AUDIT_COLUMNS
                                      " FROM audit WHERE id > ? ORDER BY id LIMIT ?"));
  rows.bind(after).bind(std::uint64_t{count_max});
  return read_rows(rows);
}

Result<std::vector<AuditRow>> SqliteAuditLog::newest(std::size_t count_max) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_AUDIT_COLUMNS
                                      " FROM (SELECT * FROM audit ORDER BY id DESC LIMIT ?) "
                                      "ORDER BY id"));
  rows.bind(std::uint64_t{count_max});
  return read_rows(rows);
}

Result<void> SqliteAuditLog::append(const AuditEvent& event) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT INTO audit (time_unix_s, actor, action, subject, "
                                      "detail) VALUES (?, ?, ?, ?, ?)"));
  return insert.bind(event.time_unix_s)
      .bind(std::string_view(event.actor))
      .bind(std::string_view(event.action))
      .bind(std::string_view(event.subject))
      .bind(std::string_view(event.detail))
      .run();
}

}  // namespace mpyd::server::sqlite
