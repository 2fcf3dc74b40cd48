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
  // Why the database cannot be read, or what PRAGMA quick_check found; empty: it is sound.
  std::string damage;
  std::vector<ByteVector> roots;  // signed, from version 1
  std::optional<ByteVector> head;
  std::uint64_t newest_event_unix_s = 0;  // of the audit log
  // Absent: no such file, or one that does not open (`key_error` says why).
  std::optional<ExchangeKey> server_key;
  std::optional<ExchangeKey> next_server_key;
  std::string key_error;
};

DataFacts examine_data(const std::string& data_dir);

}  // namespace mpyd::server
