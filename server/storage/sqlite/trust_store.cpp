#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {
namespace {

Result<std::vector<ByteVector>> read_blobs(Statement& rows) {
  std::vector<ByteVector> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back(to_vector(rows.blob(0)));
  }
}

}  // namespace

Result<std::vector<ByteVector>> SqliteTrustStore::roots() const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT document FROM roots ORDER BY version"));
  return read_blobs(rows);
}

Result<std::optional<ByteVector>> SqliteTrustStore::newest_head() const {
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare("SELECT document FROM heads ORDER BY epoch DESC, version DESC LIMIT 1"));
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return to_vector(rows.blob(0));
}

Result<std::vector<ByteVector>> SqliteTrustStore::entries() const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT entry FROM policy_entries ORDER BY hardware_id"));
  return read_blobs(rows);
}

Result<void> SqliteTrustStore::add_root(std::uint32_t version, Bytes document) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT INTO roots (version, document) VALUES (?, ?)"));
  return insert.bind(version).bind(document).run();
}

Result<void> SqliteTrustStore::replace_targets(const NewHead& head,
                                               std::span<const NewEntry> entries) {
  MPYD_TRY_ASSIGN(
      Statement add_head,
      connection_.prepare("INSERT INTO heads (epoch, version, document) VALUES (?, ?, ?)"));
  MPYD_TRY(add_head.bind(head.epoch).bind(head.version).bind(head.document).run());
  MPYD_TRY(connection_.execute("DELETE FROM policy_entries"));
  for (const NewEntry& entry : entries) {
    MPYD_TRY_ASSIGN(
        Statement add_entry,
        connection_.prepare("INSERT INTO policy_entries (hardware_id, entry) VALUES (?, ?)"));
    MPYD_TRY(add_entry.bind(entry.hardware_id).bind(entry.entry).run());
  }
  return {};
}

}  // namespace mpyd::server::sqlite
