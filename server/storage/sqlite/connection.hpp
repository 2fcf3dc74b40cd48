// SQLite's C API behind RAII: a connection with its prepared statements. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace mpyd::server::sqlite {

enum class OpenMode : std::uint8_t { read_only, read_write, create };

class Statement;

// Of all pages of a database, so many are done.
using CopyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

class Connection {
 public:
  // Sets WAL (when writing), foreign keys, busy timeout and the rest of what every connection
  // needs. Errors: not_found, io.
  static Result<std::unique_ptr<Connection>> open(const std::string& path, OpenMode mode);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Any number of statements, without parameters or results. Errors: conflict, io, timeout.
  Result<void> execute(const char* sql);

  // A statement, prepared once per connection; `sql` is a string literal. Programming errors in SQL
  // end up as `internal`.
  Result<Statement> prepare(const char* sql);

  // Copies the database as it is at this moment into an existing empty file, while others write on;
  // the copy is on the disk and complete, or is of no use. Errors: io, timeout.
  Result<void> copy_to(const std::string& path, const CopyProgress& progress = {});

  std::int64_t last_row_id() const;
  std::uint32_t changes() const;
  Error error() const;  // of the last call

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Connection(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Close> database_;
  // By the address of the literal: one literal is one statement.
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

// A borrowed prepared statement: bind in order, then step. Reset when destroyed.
class Statement {
 public:
  Statement(Connection& connection, sqlite3_stmt* statement)
      : connection_(&connection), statement_(statement) {}
  Statement(Statement&& other) noexcept
      : connection_(other.connection_), statement_(other.statement_), next_(other.next_) {
    other.statement_ = nullptr;
  }
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // The next parameter. Text and blobs are not copied: they live until the last step.
  Statement& bind(std::int64_t value);
  Statement& bind(std::uint64_t value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind(std::uint32_t value) { return bind(static_cast<std::int64_t>(value)); }
  Statement& bind(std::string_view text);
  Statement& bind(const std::string& text) { return bind(std::string_view(text)); }
  Statement& bind(Bytes blob);
  Statement& bind_null();
  // NULL if there is none.
  template <class T>
  Statement& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }

  // True: a row is there. Errors: conflict (a constraint), io, timeout.
  Result<bool> step();
  // For statements without rows.
  Result<void> run();

  // Columns of the present row, counted from 0; views are valid until the next step.
  std::int64_t integer(int column) const;
  std::uint64_t u64(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::uint32_t u32(int column) const { return static_cast<std::uint32_t>(integer(column)); }
  std::uint8_t u8(int column) const { return static_cast<std::uint8_t>(integer(column)); }
  std::string_view text(int column) const;
  Bytes blob(int column) const;

 private:
  Connection* connection_;
  sqlite3_stmt* statement_;
  int next_ = 1;
};

}  // namespace mpyd::server::sqlite
