// Brings a database to the newest schema, one numbered step at a time.
#pragma once

#include <span>

#include "server/storage/sqlite/connection.hpp"

namespace mpyd::server::sqlite {

struct Migration {
  int number;
  const char* name;
  const char* sql;
};

// All of schema/sql/migrations, embedded by the build.
std::span<const Migration> migrations();
int newest_schema();  // the last one's number

inline constexpr int kApplicationId = 0x6d707964;  // "mpyd", in the file's header

// Checks that the file is ours, not newer than this binary, and has the tables and indexes that its
// migrations made and nothing else; touches nothing.
// Errors: bad_magic (another program's database), unsupported (newer: names the version needed),
// malformed (something was made or changed beside mpyd: names it).
Result<int> schema_version(Connection& connection);
// For who reads what an older one lacks, or must not upgrade. Errors: as schema_version; also
// unsupported for an older one.
Result<void> require_newest_schema(Connection& connection);

// Runs what is missing, each step in a transaction of its own. Errors: as schema_version.
Result<void> migrate(Connection& connection);

}  // namespace mpyd::server::sqlite
