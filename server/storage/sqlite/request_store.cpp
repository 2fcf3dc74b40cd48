#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {

Result<std::optional<AnsweredRequest>> SqliteRequestStore::find(const Digest& token,
                                                                std::string_view key) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT request, time_unix_s, status, content_type, body "
                                      "FROM answered_requests WHERE token = ? AND key = ?"));
  rows.bind(token.bytes()).bind(key);
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  AnsweredRequest out{.token = token, .key = std::string(key)};
  MPYD_TRY_ASSIGN(out.request, lift(Digest::from(rows.blob(0)), "request in the database"));
  out.time_unix_s = rows.u64(1);
  out.status = rows.u32(2);
  out.content_type = rows.text(3);
  out.body = to_vector(rows.blob(4));
  return out;
}

Result<RequestStore::Usage> SqliteRequestStore::usage(const Digest& token) const {
  // Told by the index answered_requests_token alone: the rows hold the answers.
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT count(*), ifnull(min(time_unix_s), 0), "
                                      "ifnull(sum(body_bytes), 0) "
                                      "FROM answered_requests WHERE token = ?"));
  rows.bind(token.bytes());
  MPYD_TRY(rows.step());
  return Usage{rows.u64(0), rows.u64(1), rows.u64(2)};
}

Result<void> SqliteRequestStore::put(const AnsweredRequest& request) {
  MPYD_TRY_ASSIGN(
      Statement insert,
      connection_.prepare("INSERT OR REPLACE INTO answered_requests (token, key, "
                          "request, time_unix_s, status, content_type, body, body_bytes) "
                          "VALUES (?, ?, ?, ?, ?, ?, ?, length(?7))"));
  return insert.bind(request.token.bytes())
      .bind(request.key)
      .bind(request.request.bytes())
      .bind(request.time_unix_s)
      .bind(request.status)
      .bind(request.content_type)
      .bind(Bytes(request.body))
      .run();
}

Result<std::uint64_t> SqliteRequestStore::forget_before(std::uint64_t time_unix_s,
                                                        std::size_t count_max) {
  MPYD_TRY_ASSIGN(Statement remove,
                  connection_.prepare("DELETE FROM answered_requests WHERE (token, key) IN "
                                      "(SELECT token, key FROM answered_requests "
                                      "WHERE time_unix_s < ? ORDER BY time_unix_s LIMIT ?)"));
  MPYD_TRY(remove.bind(time_unix_s).bind(std::uint64_t{count_max}).run());
  return connection_.changes();
}

}  // namespace mpyd::server::sqlite
