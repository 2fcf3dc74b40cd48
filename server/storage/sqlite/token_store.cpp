#include "server/storage/sqlite/stores.hpp"
#include "server/util/text.hpp"

namespace mpyd::server::sqlite {
namespace {

#define MPYD_TOKEN_COLUMNS                                                                 \
  "hash, name, scopes, created_unix_s, expires_unix_s, last_used_unix_s, uses_max, uses, " \
  "needs_approval, hardware"

// What was stored is checked again: nobody may pass for a token, and no token for nobody.
Result<std::string> read_name(std::string_view text) {
  if (is_token_name(text)) return std::string(text);
  return fail(Errc::malformed, "the database holds a token named '" + harmless_text(text) +
                                   "', which is no name of a token: somebody changed the database "
                                   "beside mpyd; restore a backup from before");
}

Result<Token> read_token(const Statement& row) {
  Token out;
  MPYD_TRY_ASSIGN(out.hash, Digest::from(row.blob(0)));
  MPYD_TRY_ASSIGN(out.name, read_name(row.text(1)));
  MPYD_TRY_ASSIGN(out.scopes, Scopes::parse(row.text(2)));
  out.created_unix_s = row.u64(3);
  out.expires_unix_s = row.u64(4);
  out.last_used_unix_s = row.u64(5);
  out.uses_max = row.u32(6);
  out.uses = row.u32(7);
  out.needs_approval = row.integer(8) != 0;
  MPYD_TRY_ASSIGN(out.hardware, HardwareReach::parse(row.text(9)));
  return out;
}

}  // namespace

Result<std::optional<Token>> SqliteTokenStore::find(const Digest& hash) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_TOKEN_COLUMNS " FROM tokens WHERE hash = ?"));
  rows.bind(hash.bytes());
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return read_token(rows);
}

Result<std::optional<Token>> SqliteTokenStore::find_named(std::string_view name) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_TOKEN_COLUMNS " FROM tokens WHERE name = ?"));
  rows.bind(name);
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return read_token(rows);
}

Result<std::vector<Token>> SqliteTokenStore::list(std::string_view after,
                                                  std::size_t count_max) const {
  // After nothing comes every name, also one that is empty.
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare(after.empty() ? "SELECT " MPYD_TOKEN_COLUMNS
                                          " FROM tokens WHERE name >= ? ORDER BY name LIMIT ?"
                                        : "SELECT " MPYD_TOKEN_COLUMNS
                                          " FROM tokens WHERE name > ? ORDER BY name LIMIT ?"));
  rows.bind(after).bind(std::uint64_t{count_max});
  std::vector<Token> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    MPYD_TRY_ASSIGN(Token token, read_token(rows));
    out.push_back(std::move(token));
  }
}

Result<std::uint64_t> SqliteTokenStore::count() const {
  MPYD_TRY_ASSIGN(Statement rows, connection_.prepare("SELECT count(*) FROM tokens"));
  MPYD_TRY(rows.step());
  return rows.u64(0);
}

Result<std::vector<std::string>> SqliteTokenStore::expired_before(std::uint64_t time_unix_s,
                                                                  std::size_t count_max) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT name FROM tokens WHERE expires_unix_s > 0 AND "
                                      "expires_unix_s < ? ORDER BY name LIMIT ?"));
  rows.bind(time_unix_s).bind(std::uint64_t{count_max});
  std::vector<std::string> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.emplace_back(rows.text(0));
  }
}

Result<void> SqliteTokenStore::add(const Token& token) {
  const std::string scopes = token.scopes.text();
  const std::string hardware = token.hardware.text();
  MPYD_TRY_ASSIGN(Statement insert, connection_.prepare("INSERT INTO tokens (" MPYD_TOKEN_COLUMNS
                                                        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  return insert.bind(token.hash.bytes())
      .bind(std::string_view(token.name))
      .bind(std::string_view(scopes))
      .bind(token.created_unix_s)
      .bind(token.expires_unix_s)
      .bind(token.last_used_unix_s)
      .bind(token.uses_max)
      .bind(token.uses)
      .bind(std::uint32_t{token.needs_approval ? 1U : 0U})
      .bind(std::string_view(hardware))
      .run();
}

Result<void> SqliteTokenStore::set_used(const Digest& hash, std::uint64_t time_unix_s) {
  MPYD_TRY_ASSIGN(Statement update,
                  connection_.prepare("UPDATE tokens SET last_used_unix_s = ? WHERE hash = ?"));
  MPYD_TRY(update.bind(time_unix_s).bind(hash.bytes()).run());
  if (connection_.changes() == 0) return fail(Errc::not_found, "there is no such token");
  return {};
}

Result<void> SqliteTokenStore::set_uses(const Digest& hash, std::uint32_t uses) {
  MPYD_TRY_ASSIGN(Statement update,
                  connection_.prepare("UPDATE tokens SET uses = ? WHERE hash = ?"));
  MPYD_TRY(update.bind(uses).bind(hash.bytes()).run());
  if (connection_.changes() == 0) return fail(Errc::not_found, "there is no such token");
  return {};
}

Result<void> SqliteTokenStore::remove(std::string_view name) {
  MPYD_TRY_ASSIGN(Statement remove, connection_.prepare("DELETE FROM tokens WHERE name = ?"));
  MPYD_TRY(remove.bind(name).run());
  if (connection_.changes() == 0)
    return fail(Errc::not_found, "there is no token named '" + std::string(name) + "'");
  return {};
}

}  // namespace mpyd::server::sqlite
