#include "server/storage/sqlite/sqlite_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include "server/storage/sqlite/connection.hpp"
#include "server/storage/sqlite/migrate.hpp"
#include "server/storage/sqlite/stores.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::sqlite {
namespace {

class SqliteTransaction final : public Transaction {
 public:
  explicit SqliteTransaction(Connection& connection)
      : trust_(connection),
        releases_(connection),
        packages_(connection),
        devices_(connection),
        inventory_(connection),
        tokens_(connection),
        fleet_keys_(connection),
        settings_(connection),
        audit_(connection),
        requests_(connection) {}
  TrustStore& trust() override { return trust_; }
  ReleaseStore& releases() override { return releases_; }
  PackageStore& packages() override { return packages_; }
  DeviceStore& devices() override { return devices_; }
  InventoryStore& inventory() override { return inventory_; }
  TokenStore& tokens() override { return tokens_; }
  FleetKeyStore& fleet_keys() override { return fleet_keys_; }
  SettingStore& settings() override { return settings_; }
  AuditLog& audit() override { return audit_; }
  RequestStore& requests() override { return requests_; }

 private:
  SqliteTrustStore trust_;
  SqliteReleaseStore releases_;
  SqlitePackageStore packages_;
  SqliteDeviceStore devices_;
  SqliteInventoryStore inventory_;
  SqliteTokenStore tokens_;
  SqliteFleetKeyStore fleet_keys_;
  SqliteSettingStore settings_;
  SqliteAuditLog audit_;
  SqliteRequestStore requests_;
};

Result<void> run(Connection& connection, const char* begin, const Store::Write& f) {
  MPYD_TRY(connection.execute(begin));
  SqliteTransaction transaction(connection);
  Result<void> done = f(transaction);
  if (done) done = connection.execute("COMMIT");
  // After a failed COMMIT the transaction may or may not be open; a second ROLLBACK does no harm.
  if (!done) (void)connection.execute("ROLLBACK");
  return done;
}

}  // namespace

SqliteStore::SqliteStore(std::string path, std::unique_ptr<Connection> writer)
    : path_(std::move(path)), writer_(std::move(writer)) {}
SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path) {
  // Read-only first: a newer database, or another program's, must not be touched.
  {
    MPYD_TRY_ASSIGN(const auto looker, Connection::open(path, OpenMode::read_only));
    MPYD_TRY(schema_version(*looker));
  }
  MPYD_TRY_ASSIGN(auto writer, Connection::open(path, OpenMode::read_write));
  MPYD_TRY(migrate(*writer));
  return std::unique_ptr<SqliteStore>(new SqliteStore(path, std::move(writer)));
}

Result<std::unique_ptr<SqliteStore>> SqliteStore::create(const std::string& path) {
  // Made by us first, for its mode: SQLite gives its own files the mode of the database.
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return fail(errno_error("cannot create the database", path));
  ::close(file);
  MPYD_TRY_ASSIGN(auto writer, Connection::open(path, OpenMode::read_write));
  MPYD_TRY(migrate(*writer));
  return std::unique_ptr<SqliteStore>(new SqliteStore(path, std::move(writer)));
}

Result<void> SqliteStore::write(const Write& f, Durability durability) {
  const std::scoped_lock lock(writer_mutex_);
  if (durability != writer_durability_) {
    MPYD_TRY(writer_->execute(durability == Durability::full ? "PRAGMA synchronous = FULL"
                                                             : "PRAGMA synchronous = NORMAL"));
    writer_durability_ = durability;
  }
  return run(*writer_, "BEGIN IMMEDIATE", f);
}

Result<void> SqliteStore::read(const Read& f) {
  MPYD_TRY_ASSIGN(auto reader, take_reader());
  const Result<void> done =
      run(*reader, "BEGIN", [&](Transaction& transaction) { return f(Snapshot(transaction)); });
  return_reader(std::move(reader));
  return done;
}

Result<std::unique_ptr<Connection>> SqliteStore::take_reader() {
  {
    const std::scoped_lock lock(readers_mutex_);
    if (!readers_.empty()) {
      auto reader = std::move(readers_.back());
      readers_.pop_back();
      return reader;
    }
  }
  return Connection::open(path_, OpenMode::read_only);
}

void SqliteStore::return_reader(std::unique_ptr<Connection> reader) {
  const std::scoped_lock lock(readers_mutex_);
  readers_.push_back(std::move(reader));
}

}  // namespace mpyd::server::sqlite
