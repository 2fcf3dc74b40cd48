#include "server/app/upgrade.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>
#include <algorithm>
#include <filesystem>

#include "server/app/data_dir.hpp"
#include "server/app/server_key_files.hpp"
#include "server/storage/sqlite/migrate.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

using sqlite::Connection;

constexpr std::string_view kCopyPrefix = "mpyd.db.schema-";

// mpyd.db.schema-7.new, what create_file() and SQLite make beside it, and nothing else.
bool is_unfinished_copy(std::string_view name) {
  if (!name.starts_with(kCopyPrefix)) return false;
  name.remove_prefix(kCopyPrefix.size());
  name.remove_prefix(std::min(name.find_first_not_of("0123456789"), name.size()));
  constexpr std::string_view kNew = ".new";
  return name == kNew || name == ".new-journal" || name == ".new-wal" || name == ".new-shm" ||
         is_unfinished_name(name, kNew);
}

Result<void> copy_database(Connection& from, const std::string& to,
                           const UpgradeProgress& progress) {
  const std::string unfinished = to + ".new";
  ::unlink(unfinished.c_str());
  MPYD_TRY(create_file(unfinished, {}, 0600));
  Result<void> copied = from.copy_to(unfinished, progress);
  if (copied) copied = rename_file(unfinished, to);
  if (!copied) ::unlink(unfinished.c_str());
  return copied;
}

}  // namespace

Result<std::optional<SchemaUpgrade>> copy_before_upgrade(const std::string& data_dir,
                                                         const UpgradeProgress& progress) {
  const int newest = sqlite::newest_schema();
  MPYD_TRY_ASSIGN(const auto connection,
                  Connection::open(database_path(data_dir), sqlite::OpenMode::read_only));
  MPYD_TRY_ASSIGN(const int present, sqlite::schema_version(*connection));
  if (present == newest) return std::optional<SchemaUpgrade>();
  SchemaUpgrade upgrade{
      .from = present,
      .to = newest,
      .copy = data_dir + "/" + std::string(kCopyPrefix) + std::to_string(present)};
  const auto copied = copy_database(*connection, upgrade.copy, progress);
  if (!copied)
    return fail(copied.error().with("the database has schema " + std::to_string(present) +
                                    " and is upgraded only once a copy of it lies beside it"));
  return std::optional(std::move(upgrade));
}

void remove_unfinished_upgrades(const std::string& data_dir) {
  std::vector<std::string> found;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir, ec)) {
    std::error_code ignored;
    if (entry.symlink_status(ignored).type() == std::filesystem::file_type::regular &&
        is_unfinished_copy(entry.path().filename().string()))
      found.push_back(entry.path().string());
  }
  for (const std::string& path : found)
    if (::unlink(path.c_str()) == 0)
      spdlog::info("removed {}, left by an unfinished upgrade", path);
}

bool is_upgrade_copy(std::string_view name) { return name.starts_with(kCopyPrefix); }

}  // namespace mpyd::server
