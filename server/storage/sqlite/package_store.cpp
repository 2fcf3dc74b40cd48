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

Result<void> SqlitePackageStore::add(const Digest& digest, Bytes bytes, Bytes key_block) {
  MPYD_TRY_ASSIGN(
      Statement insert,
      connection_.prepare("INSERT INTO packages (digest, bytes, key_block) VALUES (?, ?, ?)"));
  return insert.bind(digest.bytes()).bind(bytes).bind(key_block).run();
}

}  // namespace mpyd::server::sqlite
