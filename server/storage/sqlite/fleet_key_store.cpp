#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {

Result<std::vector<FleetKeyRow>> SqliteFleetKeyStore::list() const {
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare("SELECT generation, public_key, sealed_secret, created_unix_s "
                          "FROM fleet_keys ORDER BY generation DESC"));
  std::vector<FleetKeyRow> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    FleetKeyRow row{.generation = rows.u32(0)};
    MPYD_TRY_ASSIGN(row.public_key, ExchangeKey::from(rows.blob(1)));
    row.sealed_secret = to_vector(rows.blob(2));
    row.created_unix_s = rows.u64(3);
    out.push_back(std::move(row));
  }
}

Result<void> SqliteFleetKeyStore::add(const FleetKeyRow& key) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT INTO fleet_keys (generation, public_key, "
                                      "sealed_secret, created_unix_s) VALUES (?, ?, ?, ?)"));
  return insert.bind(key.generation)
      .bind(key.public_key.bytes())
      .bind(Bytes(key.sealed_secret))
      .bind(key.created_unix_s)
      .run();
}

Result<void> SqliteFleetKeyStore::set_sealed_secret(std::uint32_t generation, Bytes sealed_secret) {
  MPYD_TRY_ASSIGN(
      Statement update,
      connection_.prepare("UPDATE fleet_keys SET sealed_secret = ? WHERE generation = ?"));
  MPYD_TRY(update.bind(sealed_secret).bind(generation).run());
  if (connection_.changes() == 0) return fail(Errc::not_found, "there is no such fleet key");
  return {};
}

Result<std::optional<ByteVector>> SqliteFleetKeyStore::find_key_block(
    const Digest& package, std::uint32_t generation) const {
  MPYD_TRY_ASSIGN(Statement rows, connection_.prepare("SELECT key_block FROM fleet_key_blocks "
                                                      "WHERE package = ? AND generation = ?"));
  rows.bind(package.bytes()).bind(generation);
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return to_vector(rows.blob(0));
}

Result<void> SqliteFleetKeyStore::put_key_block(const Digest& package, std::uint32_t generation,
                                                Bytes key_block) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT OR REPLACE INTO fleet_key_blocks "
                                      "(package, generation, key_block) VALUES (?, ?, ?)"));
  return insert.bind(package.bytes()).bind(generation).bind(key_block).run();
}

Result<void> SqliteFleetKeyStore::remove_key_blocks() {
  MPYD_TRY_ASSIGN(Statement remove, connection_.prepare("DELETE FROM fleet_key_blocks"));
  return remove.run();
}

}  // namespace mpyd::server::sqlite
