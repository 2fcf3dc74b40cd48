#include "protocol/package/package.hpp"
#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {
namespace {

Result<std::optional<StoredPackage>> read_package(Statement& rows) {
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return StoredPackage{to_vector(rows.blob(0)), to_vector(rows.blob(1))};
}

}  // namespace

Result<std::optional<StoredPackage>> SqlitePackageStore::find(const Digest& digest) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT bytes, key_block FROM packages WHERE digest = ?"));
  rows.bind(digest.bytes());
  return read_package(rows);
}

Result<std::optional<StoredPackage>> SqlitePackageStore::find_head(const Digest& digest) const {
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare("SELECT substr(bytes, 1, ?), key_block FROM packages WHERE digest = ?"));
  rows.bind(std::uint64_t{kPackageHeadBytesMax}).bind(digest.bytes());
  return read_package(rows);
}

Result<std::optional<PackageStore::Part>> SqlitePackageStore::find_part(
    const Digest& digest, std::uint64_t offset, std::uint64_t length) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT substr(bytes, ?, ?), length(bytes) FROM packages "
                                      "WHERE digest = ?"));
  rows.bind(offset + 1).bind(length).bind(digest.bytes());
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return Part{to_vector(rows.blob(0)), rows.u64(1)};
}

Result<std::vector<PackageStore::KeyBlock>> SqlitePackageStore::key_blocks(
    const Digest& after, std::size_t count_max) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT digest, substr(bytes, 1, ?), key_block FROM packages "
                                      "WHERE digest > ? AND length(key_block) > 0 "
                                      "ORDER BY digest LIMIT ?"));
  rows.bind(std::uint64_t{kPackageHeadBytesMax}).bind(after.bytes()).bind(std::uint64_t{count_max});
  std::vector<KeyBlock> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    KeyBlock& next = out.emplace_back();
    MPYD_TRY_ASSIGN(next.package, lift(Digest::from(rows.blob(0)), "a stored package's digest"));
    next.head = to_vector(rows.blob(1));
    next.key_block = to_vector(rows.blob(2));
  }
}

Result<std::uint64_t> SqlitePackageStore::count_key_blocks() const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT count(*) FROM packages WHERE length(key_block) > 0"));
  MPYD_TRY(rows.step());
  return rows.u64(0);
}

Result<void> SqlitePackageStore::set_key_block(const Digest& digest, Bytes key_block) {
  {
    MPYD_TRY_ASSIGN(Statement update,
                    connection_.prepare("UPDATE packages SET key_block = ? WHERE digest = ?"));
    MPYD_TRY(update.bind(key_block).bind(digest.bytes()).run());
  }
  if (connection_.changes() == 0) return fail(Errc::not_found, "there is no such package");
  return {};
}

Result<void> SqlitePackageStore::add(const Digest& digest, Bytes bytes, Bytes key_block) {
  MPYD_TRY_ASSIGN(
      Statement insert,
      connection_.prepare("INSERT INTO packages (digest, bytes, key_block) VALUES (?, ?, ?)"));
  return insert.bind(digest.bytes()).bind(bytes).bind(key_block).run();
}

}  // namespace mpyd::server::sqlite
