// What a data directory holds, read without changing anything: also while a daemon runs on it, and
// when it is damaged. `mpyd doctor` judges it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/digest.hpp"
#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

struct DataFacts {
  // Why the database cannot be read, or why check_database() fails; empty: it is sound.
  std::string damage;
  bool is_newer = false;          // that is why: a newer mpyd wrote it
  std::vector<ByteVector> roots;  // signed, from version 1
  std::optional<ByteVector> head;
  std::uint64_t newest_event_unix_s = 0;  // of the audit log
  // Absent: no such file, or one that does not open (`key_error` says why).
  std::optional<ExchangeKey> server_key;
  std::optional<ExchangeKey> next_server_key;
  std::string key_error;
  bool key_open_to_others = false;  // that is why it does not open
  // Why `mpyd serve` would not start on what was read; empty: it would, or something above says why
  // not.
  std::string load_error;
};

DataFacts examine_data(const std::string& data_dir);

// Is the database whole, and ours? Errors: those of sqlite::schema_version, malformed (what PRAGMA
// integrity_check found, or a token that mpyd did not make), io.
Result<void> check_database(const std::string& database);

// The server's key, as the newest root in this database names it. Errors: malformed and others of
// loading trust documents, io.
Result<ExchangeKey> named_server_key(const std::string& database);

// Would a server start on this copy of a database with this file as its server.key? Nothing that
// SQLite makes beside the copy is left there. Errors: io (the copy cannot be examined), those of
// load_exchange_key, those of sqlite::schema_version, invalid_argument (another key than the newest
// root names), those of loading trust documents and fleet keys.
Result<void> examine_backup(const std::string& database, const std::string& key_file);

}  // namespace mpyd::server
