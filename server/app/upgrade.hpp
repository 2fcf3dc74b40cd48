// What becomes of a database of an older schema before it is upgraded: it is kept beside the new
// one.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/util/error.hpp"

namespace mpyd::server {

struct SchemaUpgrade {
  int from = 0;
  int to = 0;
  std::string copy;  // the database as it was: mpyd.db.schema-N
};
using UpgradeProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;  // pages

// Nothing, if the database has this binary's schema. An older copy of the same schema is replaced.
// Errors: those of sqlite::schema_version; io (no room: nothing is upgraded without a copy).
Result<std::optional<SchemaUpgrade>> copy_before_upgrade(const std::string& data_dir,
                                                         const UpgradeProgress& progress);

// What an upgrade left that did not come to its end. Only under the data directory's lock.
void remove_unfinished_upgrades(const std::string& data_dir);

// Is this the name of such a copy?
bool is_upgrade_copy(std::string_view name);

}  // namespace mpyd::server
