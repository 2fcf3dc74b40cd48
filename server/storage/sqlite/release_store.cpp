#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <limits>

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
  out.deprecated = row.text(8);
  return out;
}

// For the condition MPYD_IS_COVERED: [pattern, ...], or null.
std::optional<std::string> reach_json(const HardwareReach& reach) {
  if (!reach.is_limited()) return std::nullopt;
  boost::json::array patterns;
  for (const std::string& pattern : reach.patterns()) patterns.emplace_back(pattern);
  return boost::json::serialize(patterns);
}

// HardwareReach::covers(hardware_id) in SQL; `reach` is the parameter that holds reach_json().
#define MPYD_IS_COVERED(reach)                                   \
  "(" reach " IS NULL OR EXISTS (SELECT 1 FROM json_each(" reach \
  ") WHERE value = hardware_id OR (substr(value, -2) = ':*' "    \
  "AND substr(hardware_id, 1, length(value) - 1) = substr(value, 1, length(value) - 1))))"

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
                                      "revision_min, revision_max, created_unix_s, deprecated "
                                      "FROM releases WHERE hardware_id = ? ORDER BY release DESC"));
  rows.bind(hardware_id.view());
  return read_rows(rows);
}

Result<std::vector<Release>> SqliteReleaseStore::list(const Filter& filter) const {
#define MPYD_FITTING_RELEASES \
  "SELECT id, hardware_id, driver_name, version, release, revision_min, revision_max, " \
  "created_unix_s, deprecated FROM releases WHERE (?1 IS NULL OR hardware_id = ?1) "    \
  "AND (?8 IS NULL OR ?8 = (deprecated <> '')) AND " MPYD_IS_COVERED("?9") " "          \
  "AND (?2 IS NULL OR driver_name = ?2) AND (?3 IS NULL OR ?3 = EXISTS (SELECT 1 FROM " \
  "variants WHERE release_id = releases.id AND withdrawn <> 0)) "
  // The first halves let SQLite start at the position instead of reading up to it.
  const bool by_hardware = filter.order == Order::hardware_id;
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare(
                      by_hardware ? MPYD_FITTING_RELEASES
                          "AND hardware_id >= ?4 AND (hardware_id > ?4 OR release < ?5) "
                          "ORDER BY hardware_id, release DESC LIMIT ?7"
                                  : MPYD_FITTING_RELEASES
                          "AND (created_unix_s, hardware_id, release) < (?6, ?4, ?5) "
                          "ORDER BY created_unix_s DESC, hardware_id DESC, release DESC LIMIT ?7"));
#undef MPYD_FITTING_RELEASES
  const auto text = [](const auto& value) {
    return value ? std::optional(value->view()) : std::nullopt;
  };
  std::optional<std::uint32_t> yanked;
  if (filter.yanked) yanked = *filter.yanked ? 1 : 0;
  std::optional<std::uint32_t> deprecated;
  if (filter.deprecated) deprecated = *filter.deprecated ? 1 : 0;
  const std::optional<std::string> reach = reach_json(filter.reach);
  // Before the first row of either order.
  constexpr std::uint64_t kAnyTime = std::numeric_limits<std::int64_t>::max();
  const Filter::Position after =
      filter.after.value_or(Filter::Position{.created_unix_s = kAnyTime});
  rows.bind(text(filter.hardware_id))
      .bind(text(filter.driver_name))
      .bind(yanked)
      .bind(after.hardware_id)
      .bind(after.release)
      .bind(after.created_unix_s)
      .bind(std::uint64_t{filter.count_max})
      .bind(deprecated)
      .bind(reach);
  return read_rows(rows);
}

Result<std::optional<Release>> SqliteReleaseStore::of_package(const Digest& digest) const {
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare("SELECT releases.id, hardware_id, driver_name, version, release, "
                          "revision_min, revision_max, created_unix_s, deprecated "
                          "FROM variants JOIN releases ON releases.id = variants.release_id "
                          "WHERE variants.digest = ?"));
  rows.bind(digest.bytes());
  MPYD_TRY_ASSIGN(auto found, read_rows(rows));
  if (found.empty()) return std::nullopt;
  std::erase_if(found.front().variants, [&](const Variant& v) { return v.digest != digest; });
  return std::move(found.front());
}

Result<std::vector<ReleaseStore::Driver>> SqliteReleaseStore::drivers(
    const DriverFilter& filter) const {
  // With max(), SQLite takes the other columns from the row that holds it.
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare(
          "SELECT hardware_id, driver_name, version, max(release), count(*) FROM releases "
          "WHERE hardware_id > ?1 AND (?2 = '' OR instr(lower(hardware_id), lower(?2)) > 0 "
          "OR instr(lower(driver_name), lower(?2)) > 0) AND " MPYD_IS_COVERED(
              "?3") " GROUP BY hardware_id ORDER BY hardware_id LIMIT ?4"));
  const std::optional<std::string> reach = reach_json(filter.reach);
  rows.bind(std::string_view(filter.after))
      .bind(std::string_view(filter.text))
      .bind(reach)
      .bind(std::uint64_t{filter.count_max});
  std::vector<Driver> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    Driver driver{.release = rows.u32(3), .releases = rows.u64(4)};
    MPYD_TRY_ASSIGN(driver.hardware_id, HardwareId::parse(rows.text(0)));
    MPYD_TRY_ASSIGN(driver.driver_name, parse_driver_name(rows.text(1)));
    MPYD_TRY_ASSIGN(driver.version, parse_version(rows.text(2)));
    out.push_back(std::move(driver));
  }
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

Result<ReleaseStore::Totals> SqliteReleaseStore::totals() const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT (SELECT count(*) FROM releases), count(*), "
                                      "ifnull(sum(package_bytes), 0) FROM variants"));
  MPYD_TRY(rows.step());
  return Totals{rows.u64(0), rows.u64(1), rows.u64(2)};
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

Result<void> SqliteReleaseStore::set_deprecated(const HardwareId& hardware_id,
                                                const VersionText& version,
                                                std::string_view message) {
  MPYD_TRY_ASSIGN(Statement update, connection_.prepare("UPDATE releases SET deprecated = ? "
                                                        "WHERE hardware_id = ? AND version = ?"));
  MPYD_TRY(update.bind(message).bind(hardware_id.view()).bind(version.view()).run());
  if (connection_.changes() == 0) return fail(Errc::not_found, "there is no such release");
  return {};
}

}  // namespace mpyd::server::sqlite
