#include "server/app/rescue_token.hpp"

#include "server/app/data_dir.hpp"
#include "server/services/token_service.hpp"
#include "server/storage/sqlite/migrate.hpp"
#include "server/storage/sqlite/sqlite_store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {
namespace {

// Opening the store would upgrade it, without the copy that mpyd serve makes first.
Result<void> refuse_older(const std::string& database) {
  MPYD_TRY_ASSIGN(const auto connection,
                  sqlite::Connection::open(database, sqlite::OpenMode::read_only));
  return sqlite::require_newest_schema(*connection);
}

}  // namespace

Result<std::string> make_rescue_token(const std::string& data_dir, const std::string& name) {
  const std::string database = database_path(data_dir);
  MPYD_TRY_ASSIGN(const FileLock lock, lock_data(data_dir));
  MPYD_TRY(refuse_older(database));
  MPYD_TRY_ASSIGN(const auto store, sqlite::SqliteStore::open(database));
  const SystemClock clock;
  TokenService tokens(*store, clock);
  MPYD_TRY_ASSIGN(auto created, tokens.create({.name = name, .scopes = Scopes::admin}, "rescue"));
  return std::move(created.text);
}

}  // namespace mpyd::server
