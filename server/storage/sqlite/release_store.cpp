#include "server/storage/sqlite/abi_columns.hpp"
#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {
namespace {

// What was stored is checked again: a database that was tampered with must not break invariants.
Result<Release> read_release(const Statement& row) {
  Release out;
  MPYD_TRY_ASSIGN(out.hardware_id, HardwareId::parse(row.text(1)));
  MPYD_TRY_ASSIGN(out.driver_name, parse_driver_name(row.text(2)));
  MPYD_TRY_ASSIGN(out.version, parse_version(row.text(3)));
  out.release = row.u32(4);
  out.revision_min = row.u32(5);
  out.revision_max = row.u32(6);
  out.created_unix_s = row.u64(7);
  return out;
}

Result<Variant> read_variant(const Statement& row) {
  Variant out;
  out.abi = read_abi(row, 0);
  MPYD_TRY_ASSIGN(out.digest, Digest::from(row.blob(7)));
  out.package_bytes = row.u32(8);
  out.encryption = row.u8(9) == 0 ? Encryption::none : Encryption::secretstream;
  out.withdrawn = row.u8(10) != 0;
  out.unchecked = row.u8(11) != 0;
  return out;
}

}  // namespace

Result<std::vector<Release>> SqliteReleaseStore::of_hardware(const HardwareId& hardware_id) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT id, hardware_id, driver_name, version, release, "
                                      "revision_min, revision_max, created_unix_s FROM releases "
                                      "WHERE hardware_id = ? ORDER BY release DESC"));
  rows.bind(hardware_id.view());
  return read_rows(rows);
}

Result<std::vector<Release>> SqliteReleaseStore::list(const Filter& filter) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT id, hardware_id, driver_name, version, release, "
                                      "revision_min, revision_max, created_unix_s FROM releases "
                                      "WHERE (?1 IS NULL OR hardware_id = ?1) "
                                      "AND (?2 IS NULL OR driver_name = ?2) "
                                      "ORDER BY hardware_id, release DESC LIMIT ?3"));
  if (filter.hardware_id)
    rows.bind(filter.hardware_id->view());
  else
    rows.bind_null();
  if (filter.driver_name)
    rows.bind(filter.driver_name->view());
  else
    rows.bind_null();
  rows.bind(std::uint64_t{filter.count_max});
  return read_rows(rows);
}

Result<std::vector<Release>> SqliteReleaseStore::read_rows(Statement& rows) const {
  std::vector<Release> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    MPYD_TRY_ASSIGN(Release release, read_release(rows));
    MPYD_TRY(read_variants(rows.integer(0), release));
    out.push_back(std::move(release));
  }
}

Result<void> SqliteReleaseStore::read_variants(std::int64_t release_id, Release& release) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_ABI_COLUMNS
                                      ", digest, package_bytes, encryption, withdrawn, unchecked "
                                      "FROM variants "
                                      "WHERE release_id = ? ORDER BY abi_text"));
  rows.bind(release_id);
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return {};
    MPYD_TRY_ASSIGN(Variant variant, read_variant(rows));
    release.variants.push_back(variant);
  }
}

Result<std::uint64_t> SqliteReleaseStore::count() const {
  MPYD_TRY_ASSIGN(Statement rows, connection_.prepare("SELECT count(*) FROM releases"));
  MPYD_TRY(rows.step());
  return rows.u64(0);
}

Result<void> SqliteReleaseStore::add(const Release& release) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT INTO releases (hardware_id, driver_name, version, "
                                      "release, revision_min, revision_max, created_unix_s) "
                                      "VALUES (?, ?, ?, ?, ?, ?, ?)"));
  return insert.bind(release.hardware_id.view())
      .bind(release.driver_name.view())
      .bind(release.version.view())
      .bind(release.release)
      .bind(release.revision_min)
      .bind(release.revision_max)
      .bind(release.created_unix_s)
      .run();
}

Result<void> SqliteReleaseStore::add_variant(const Release& release, const Variant& variant) {
  const AbiText abi_text = format_abi(variant.abi);
  MPYD_TRY_ASSIGN(
      Statement insert,
      connection_.prepare("INSERT INTO variants (release_id, abi_text, " MPYD_ABI_COLUMNS
                          ", digest, package_bytes, encryption, unchecked) "
                          "SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? "
                          "FROM releases WHERE hardware_id = ? AND release = ?"));
  MPYD_TRY(bind_abi(insert.bind(abi_text.view()), variant.abi)
               .bind(variant.digest.bytes())
               .bind(variant.package_bytes)
               .bind(static_cast<std::uint32_t>(variant.encryption))
               .bind(std::uint32_t{variant.unchecked ? 1U : 0U})
               .bind(release.hardware_id.view())
               .bind(release.release)
               .run());
  if (connection_.changes() == 0) return fail(Errc::not_found, "there is no such release");
  return {};
}

Result<std::uint32_t> SqliteReleaseStore::set_withdrawn(const HardwareId& hardware_id,
                                                        const VersionText& version,
                                                        std::string_view abi_text, bool withdrawn) {
  MPYD_TRY_ASSIGN(Statement update,
                  connection_.prepare(
                      "UPDATE variants SET withdrawn = ?1 WHERE withdrawn != ?1 "
                      "AND (?2 = '' OR abi_text = ?2) AND release_id = (SELECT id FROM releases "
                      "WHERE hardware_id = ?3 AND version = ?4)"));
  MPYD_TRY(update.bind(std::uint32_t{withdrawn ? 1U : 0U})
               .bind(abi_text)
               .bind(hardware_id.view())
               .bind(version.view())
               .run());
  return connection_.changes();
}

}  // namespace mpyd::server::sqlite
