#include "server/app/examine.hpp"

#include <filesystem>

#include "server/app/data_dir.hpp"
#include "server/crypto/key_file.hpp"
#include "server/services/fleet_keys.hpp"
#include "server/services/token_service.hpp"
#include "server/services/trust_service.hpp"
#include "server/storage/sqlite/connection.hpp"
#include "server/storage/sqlite/migrate.hpp"
#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server {
namespace {

using sqlite::Connection;

Result<void> check_whole(Connection& connection) {
  MPYD_TRY_ASSIGN(auto rows, connection.prepare("PRAGMA integrity_check(3)"));
  std::string found;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) break;
    found += (found.empty() ? "" : "; ") + std::string(rows.text(0));
  }
  if (found == "ok") return {};
  return fail(Errc::malformed, found);
}

Result<void> check_content(Connection& connection) {
  MPYD_TRY_ASSIGN(const int schema, sqlite::schema_version(connection));
  MPYD_TRY(with_context(check_whole(connection), "the database is damaged"));
  // Tokens of an older schema are read when it is upgraded.
  if (schema < sqlite::newest_schema()) return {};
  return for_each_token(sqlite::SqliteTokenStore(connection), [](const Token&) {});
}

// Trust documents by the rules of a start.
Result<std::shared_ptr<const TrustView>> load_trust(Connection& connection) {
  const sqlite::SqliteTrustStore trust(connection);
  MPYD_TRY_ASSIGN(auto roots, trust.roots());
  MPYD_TRY_ASSIGN(auto head, trust.newest_head());
  MPYD_TRY_ASSIGN(auto entries, trust.entries());
  return TrustView::make(std::move(roots), std::move(head).value_or(ByteVector{}),
                         std::move(entries));
}

Result<void> open_fleet_keys(Connection& connection, const ExchangeKeyPair& server) {
  MPYD_TRY_ASSIGN(const auto rows, sqlite::SqliteFleetKeyStore(connection).list());
  return FleetKeys::check(rows, server);
}

// What `serve` loads, with the key that the newest root names.
Result<void> load_as_served(const std::string& path, const std::string& key_file) {
  MPYD_TRY_ASSIGN(const auto connection, Connection::open(path, sqlite::OpenMode::read_only));
  MPYD_TRY(sqlite::schema_version(*connection));
  MPYD_TRY_ASSIGN(const auto trust, load_trust(*connection));
  for (const std::string& file : {key_file, key_file + ".next"}) {
    const auto key = load_exchange_key(file);
    if (key && key->public_key == trust->root().server_key)
      return open_fleet_keys(*connection, *key);
  }
  return fail(Errc::invalid_argument,
              key_file + " is not the key that the newest root in " + path + " names");
}

Result<void> read_database(const std::string& path, DataFacts& out) {
  MPYD_TRY_ASSIGN(const auto connection, Connection::open(path, sqlite::OpenMode::read_only));
  MPYD_TRY(check_content(*connection));
  const sqlite::SqliteTrustStore trust(*connection);
  MPYD_TRY_ASSIGN(out.roots, trust.roots());
  MPYD_TRY_ASSIGN(out.head, trust.newest_head());
  MPYD_TRY_ASSIGN(auto newest,
                  connection->prepare("SELECT coalesce(max(time_unix_s), 0) FROM audit"));
  MPYD_TRY(newest.step());
  out.newest_event_unix_s = newest.u64(0);
  return {};
}

std::optional<ExchangeKey> read_key(const std::string& path, std::string& error,
                                    bool* is_open_to_others = nullptr) {
  const auto key = load_exchange_key(path);
  if (key) return key->public_key;
  if (key.error().code != Errc::not_found) error = key.error().message;
  if (is_open_to_others != nullptr) *is_open_to_others = key.error().code == Errc::forbidden;
  return std::nullopt;
}

// Files that SQLite makes beside a database, and that were not there before.
class NoTraces {
 public:
  explicit NoTraces(const std::string& database) {
    for (const char* suffix : {"-wal", "-shm"}) {
      std::error_code ec;
      if (!std::filesystem::exists(database + suffix, ec)) made_.push_back(database + suffix);
    }
  }
  NoTraces(const NoTraces&) = delete;
  NoTraces& operator=(const NoTraces&) = delete;
  ~NoTraces() {
    std::error_code ec;
    for (const std::string& path : made_) std::filesystem::remove(path, ec);
  }

 private:
  std::vector<std::string> made_;
};

}  // namespace

Result<void> check_database(const std::string& database) {
  const NoTraces traces(database);
  MPYD_TRY_ASSIGN(const auto connection, Connection::open(database, sqlite::OpenMode::read_only));
  return check_content(*connection);
}

Result<ExchangeKey> named_server_key(const std::string& database) {
  const NoTraces traces(database);
  MPYD_TRY_ASSIGN(const auto connection, Connection::open(database, sqlite::OpenMode::read_only));
  MPYD_TRY_ASSIGN(const auto trust, load_trust(*connection));
  return trust->root().server_key;
}

Result<void> examine_backup(const std::string& database, const std::string& key_file) {
  MPYD_TRY(load_exchange_key(key_file));
  const NoTraces traces(database);
  return load_as_served(database, key_file);
}

DataFacts examine_data(const std::string& data_dir) {
  DataFacts out;
  if (const auto read = read_database(database_path(data_dir), out); !read) {
    out.damage = read.error().message;
    out.is_newer = read.error().code == Errc::unsupported;
  }
  out.server_key = read_key(server_key_path(data_dir), out.key_error, &out.key_open_to_others);
  std::string ignored;
  out.next_server_key = read_key(next_server_key_path(data_dir), ignored);
  if (!out.damage.empty() || !out.server_key) return out;
  const auto loaded = load_as_served(database_path(data_dir), server_key_path(data_dir));
  // Another key than the root names is told apart: by `server_key`.
  if (!loaded && loaded.error().code != Errc::invalid_argument)
    out.load_error = loaded.error().message;
  return out;
}

}  // namespace mpyd::server
