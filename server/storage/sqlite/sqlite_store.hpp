// The SQLite backend: one file in WAL mode, one writer, readers from a pool of connections.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/storage/store.hpp"

namespace mpyd::server::sqlite {

class Connection;

class SqliteStore final : public Store {
 public:
  // Opens an existing database and migrates it. Errors: not_found, io, those of schema_version
  // (nothing was touched).
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path);
  // Makes a new one. Errors: conflict (the file is there), io.
  static Result<std::unique_ptr<SqliteStore>> create(const std::string& path);
  ~SqliteStore() override;

  Result<void> write(const Write& f, Durability durability = Durability::full) override;
  Result<void> read(const Read& f) override;

 private:
  SqliteStore(std::string path, std::unique_ptr<Connection> writer);
  Result<std::unique_ptr<Connection>> take_reader();
  void return_reader(std::unique_ptr<Connection> reader);

  std::string path_;
  std::mutex writer_mutex_;
  std::unique_ptr<Connection> writer_;
  Durability writer_durability_ = Durability::full;
  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Connection>> readers_;  // idle ones; as many as ever ran at once
};

}  // namespace mpyd::server::sqlite
