#include "server/app/examine.hpp"

#include "server/app/data_dir.hpp"
#include "server/crypto/key_file.hpp"
#include "server/storage/sqlite/connection.hpp"
#include "server/storage/sqlite/migrate.hpp"
#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server {
namespace {

using sqlite::Connection;

Result<void> check_whole(Connection& connection) {
  MPYD_TRY_ASSIGN(auto rows, connection.prepare("PRAGMA quick_check(3)"));
  std::string found;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) break;
    found += (found.empty() ? "" : "; ") + std::string(rows.text(0));
  }
  if (found == "ok") return {};
  return fail(Errc::malformed, found);
}

Result<void> read_database(const std::string& path, DataFacts& out) {
  MPYD_TRY_ASSIGN(const auto connection, Connection::open(path, sqlite::OpenMode::read_only));
  MPYD_TRY(sqlite::schema_version(*connection));
  MPYD_TRY(check_whole(*connection));
  const sqlite::SqliteTrustStore trust(*connection);
  MPYD_TRY_ASSIGN(out.roots, trust.roots());
  MPYD_TRY_ASSIGN(out.head, trust.newest_head());
  MPYD_TRY_ASSIGN(auto newest,
                  connection->prepare("SELECT coalesce(max(time_unix_s), 0) FROM audit"));
  MPYD_TRY(newest.step());
  out.newest_event_unix_s = newest.u64(0);
  return {};
}

std::optional<ExchangeKey> read_key(const std::string& path, std::string& error) {
  const auto key = load_exchange_key(path);
  if (key) return key->public_key;
  if (key.error().code != Errc::not_found) error = key.error().message;
  return std::nullopt;
}

}  // namespace

DataFacts examine_data(const std::string& data_dir) {
  DataFacts out;
  if (const auto read = read_database(database_path(data_dir), out); !read)
    out.damage = read.error().message;
  out.server_key = read_key(server_key_path(data_dir), out.key_error);
  std::string ignored;
  out.next_server_key = read_key(next_server_key_path(data_dir), ignored);
  return out;
}

}  // namespace mpyd::server
