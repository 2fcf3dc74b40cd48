#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {

Result<std::optional<std::string>> SqliteSettingStore::find(std::string_view name) const {
  MPYD_TRY_ASSIGN(Statement rows, connection_.prepare("SELECT value FROM meta WHERE name = ?"));
  rows.bind(name);
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return std::string(rows.text(0));
}

Result<void> SqliteSettingStore::put(std::string_view name, std::string_view value) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT INTO meta (name, value) VALUES (?1, ?2) "
                                      "ON CONFLICT (name) DO UPDATE SET value = ?2"));
  return insert.bind(name).bind(value).run();
}

Result<void> SqliteSettingStore::remove(std::string_view name) {
  MPYD_TRY_ASSIGN(Statement remove, connection_.prepare("DELETE FROM meta WHERE name = ?"));
  return remove.bind(name).run();
}

}  // namespace mpyd::server::sqlite
