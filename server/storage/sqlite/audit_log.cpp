#include <algorithm>
#include <limits>

#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {
namespace {

#define MPYD_AUDIT_COLUMNS "id, time_unix_s, actor, action, subject, detail, previous, hash"

constexpr std::uint64_t kIdMax = std::numeric_limits<std::int64_t>::max();

// What is no digest is none that any row has.
Digest digest_of(Bytes stored) { return Digest::from(stored).value_or(Digest{}); }

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
    out.push_back(
        {rows.u64(0), std::move(event), digest_of(rows.blob(6)), digest_of(rows.blob(7))});
  }
}

}  // namespace

Result<std::vector<AuditRow>> SqliteAuditLog::find(const Filter& filter) const {
  // Both directions read along the key and stop at the page's end.
#define MPYD_FITTING_ROWS                                                  \
  "SELECT " MPYD_AUDIT_COLUMNS                                             \
  " FROM audit WHERE id > ?1 AND id <= ?2 AND (?3 IS NULL OR actor = ?3) " \
  "AND (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR subject = ?5) "      \
  "AND time_unix_s >= ?6 ORDER BY id "
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare(filter.latest ? MPYD_FITTING_ROWS "DESC LIMIT ?7"
                                                    : MPYD_FITTING_ROWS "LIMIT ?7"));
#undef MPYD_FITTING_ROWS
  // Nothing is before row 0.
  const std::uint64_t last =
      filter.before ? std::max<std::uint64_t>(*filter.before, 1) - 1 : kIdMax;
  rows.bind(filter.after)
      .bind(last)
      .bind(filter.actor)
      .bind(filter.action)
      .bind(filter.subject)
      .bind(filter.since_unix_s)
      .bind(std::uint64_t{filter.count_max});
  MPYD_TRY_ASSIGN(auto out, read_rows(rows));
  if (filter.latest) std::ranges::reverse(out);
  return out;
}

Result<AuditLog::End> SqliteAuditLog::end() const {
  MPYD_TRY_ASSIGN(
      Statement last,
      connection_.prepare("SELECT id, hash FROM audit WHERE id > 0 ORDER BY id DESC LIMIT 1"));
  MPYD_TRY_ASSIGN(const bool found, last.step());
  End out;
  if (found) out.head = {last.u64(0), digest_of(last.blob(1))};
  MPYD_TRY_ASSIGN(Statement numbered,
                  connection_.prepare("SELECT coalesce(max(seq), 0) FROM sqlite_sequence "
                                      "WHERE name = 'audit'"));
  MPYD_TRY(numbered.step());
  // Whoever put a row there may have left the count as it was.
  out.numbered = std::max(numbered.u64(0), out.head.id);
  MPYD_TRY_ASSIGN(Statement foreign,
                  connection_.prepare("SELECT count(*) FROM audit WHERE id <= 0"));
  MPYD_TRY(foreign.step());
  out.foreign = foreign.u64(0);
  return out;
}

Result<void> SqliteAuditLog::append(const AuditEvent& event) {
  MPYD_TRY_ASSIGN(const End last, end());
  if (last.numbered >= kIdMax)
    return fail(Errc::internal,
                "the audit log's rows are numbered up to " + std::to_string(last.numbered) +
                    ", and none can follow: somebody changed the database beside mpyd; mpyd audit "
                    "verify says what is wrong, and a backup from before mends it");
  const std::uint64_t id = last.numbered + 1;
  const Digest hash = audit_hash(last.head.hash, id, event);
  MPYD_TRY_ASSIGN(Statement insert, connection_.prepare("INSERT INTO audit (" MPYD_AUDIT_COLUMNS
                                                        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  return insert.bind(id)
      .bind(event.time_unix_s)
      .bind(std::string_view(event.actor))
      .bind(std::string_view(event.action))
      .bind(std::string_view(event.subject))
      .bind(std::string_view(event.detail))
      .bind(last.head.hash.bytes())
      .bind(hash.bytes())
      .run();
}

Result<void> chain_audit_log(Connection& connection) {
  constexpr std::size_t kRowsAtOnce = 1000;
  const SqliteAuditLog log(connection);
  AuditHead head;
  while (true) {
    MPYD_TRY_ASSIGN(const auto rows, log.list(head.id, kRowsAtOnce));
    for (const AuditRow& row : rows) {
      const Digest hash = audit_hash(head.hash, row.id, row.event);
      MPYD_TRY_ASSIGN(Statement update,
                      connection.prepare("UPDATE audit SET previous = ?, hash = ? WHERE id = ?"));
      MPYD_TRY(update.bind(head.hash.bytes()).bind(hash.bytes()).bind(row.id).run());
      head = {row.id, hash};
    }
    if (rows.size() < kRowsAtOnce) return {};
  }
}

}  // namespace mpyd::server::sqlite
