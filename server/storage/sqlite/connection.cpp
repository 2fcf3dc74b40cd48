#include "server/storage/sqlite/connection.hpp"

#include <sqlite3.h>

namespace mpyd::server::sqlite {
namespace {

// A writer waits this long for another process (`mpyd backup`, an operator's sqlite3).
constexpr int kBusyTimeoutMs = 5000;

Errc code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_CONSTRAINT:
      return Errc::conflict;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::timeout;
    case SQLITE_CANTOPEN:
      return Errc::not_found;
    case SQLITE_MISUSE:
    case SQLITE_ERROR:
    case SQLITE_RANGE:
      return Errc::internal;
    default:
      return Errc::io;
  }
}

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read_only:
      return SQLITE_OPEN_READONLY;
    case OpenMode::read_write:
      return SQLITE_OPEN_READWRITE;
    case OpenMode::create:
      return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return SQLITE_OPEN_READONLY;
}

}  // namespace

void Connection::Close::operator()(sqlite3* database) const { sqlite3_close(database); }
void Connection::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}
Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, OpenMode mode) {
  sqlite3* database = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &database,
                      flags_of(mode) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  std::unique_ptr<Connection> connection(new Connection(database));
  if (opened != SQLITE_OK)
    return fail(code_of(opened),
                "cannot open the database " + path + ": " + sqlite3_errstr(opened));
  sqlite3_busy_timeout(database, kBusyTimeoutMs);
  // A database that somebody prepared must not run code of its own in triggers and views.
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  if (mode != OpenMode::read_only)
    // The log of changes grows as long as somebody reads; afterwards it is cut to this.
    MPYD_TRY(
        connection->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA "
                            "journal_size_limit = 67108864;"));
  MPYD_TRY(connection->execute("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"));
  return connection;
}

Result<void> Connection::execute(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return fail(error());
  return {};
}

Result<Statement> Connection::prepare(const char* sql) {
  auto& slot = statements_[sql];
  if (!slot) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) != SQLITE_OK) {
      statements_.erase(sql);
      return fail(error());
    }
    slot.reset(statement);
  }
  return Statement(*this, slot.get());
}

std::int64_t Connection::last_row_id() const { return sqlite3_last_insert_rowid(database_.get()); }

std::uint32_t Connection::changes() const {
  return static_cast<std::uint32_t>(sqlite3_changes(database_.get()));
}

Error Connection::error() const {
  return Error(code_of(sqlite3_extended_errcode(database_.get())),
               std::string("database: ") + sqlite3_errmsg(database_.get()));
}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(std::int64_t value) {
  sqlite3_bind_int64(statement_, next_++, value);
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  // A null pointer would bind NULL; an empty text is not NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  sqlite3_bind_text64(statement_, next_++, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(Bytes blob) {
  const void* data = blob.data() == nullptr ? static_cast<const void*>("") : blob.data();
  sqlite3_bind_blob64(statement_, next_++, data, blob.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_null() {
  sqlite3_bind_null(statement_, next_++);
  return *this;
}

Result<bool> Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return fail(connection_->error());
}

Result<void> Statement::run() {
  MPYD_TRY(step());
  return {};
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace mpyd::server::sqlite
