#include "server/storage/sqlite/read_slot.hpp"
#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {
namespace {

// What a package is, from the columns of MPYD_TITLE_COLUMNS; without one they are null.
#define MPYD_TITLE_COLUMNS \
  "releases.hardware_id, driver_name, version, release, withdrawn, deprecated"

ReleaseTitle read_title(const Statement& row, int first) {
  return {.hardware_id = std::string(row.text(first)),
          .driver_name = std::string(row.text(first + 1)),
          .version = std::string(row.text(first + 2)),
          .release = row.u32(first + 3),
          .withdrawn = row.integer(first + 4) != 0,
          .deprecated = std::string(row.text(first + 5))};
}

// Slots that hold something, of motherboards that are enrolled.
#define MPYD_BOARDS                                                   \
  "device_slots AS slot JOIN devices ON devices.id = slot.device_id " \
  "AND devices.state = 0 AND slot.state <> 0 "

Result<std::uint64_t> count(Statement rows) {
  MPYD_TRY(rows.step());
  return rows.u64(0);
}

// Rows of a key and how often it is there.
template <class Key, class ReadKey>
Result<std::vector<Statistics::Count<Key>>> read_counts(Statement& rows, const ReadKey& read_key) {
  std::vector<Statistics::Count<Key>> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back({read_key(rows), rows.u64(0)});
  }
}

std::uint32_t number_key(const Statement& row) { return row.u32(1); }

Result<void> count_devices(Connection& connection, std::uint64_t seen_since_unix_s,
                           Statistics& out) {
  MPYD_TRY_ASSIGN(Statement seen, connection.prepare("SELECT count(*) FROM devices WHERE "
                                                     "state = 0 AND last_seen_unix_s >= ?"));
  seen.bind(seen_since_unix_s);
  MPYD_TRY_ASSIGN(out.devices_seen, count(std::move(seen)));
  MPYD_TRY_ASSIGN(Statement rows, connection.prepare("SELECT count(*), state FROM devices "
                                                     "GROUP BY state ORDER BY state"));
  MPYD_TRY_ASSIGN(out.devices_by_state, read_counts<DeviceState>(rows, [](const Statement& row) {
                    return static_cast<DeviceState>(row.u8(1));
                  }));
  for (const auto& row : out.devices_by_state) out.devices += row.count;
  return {};
}

Result<void> count_boards(Connection& connection, Statistics& out) {
  MPYD_TRY_ASSIGN(Statement states,
                  connection.prepare("SELECT count(*), slot.state FROM " MPYD_BOARDS
                                     "GROUP BY slot.state ORDER BY slot.state"));
  MPYD_TRY_ASSIGN(out.boards_by_state, read_counts<std::uint32_t>(states, number_key));
  for (const auto& row : out.boards_by_state) out.boards += row.count;
  MPYD_TRY_ASSIGN(Statement loaded, connection.prepare("SELECT count(*) FROM " MPYD_BOARDS
                                                       "WHERE length(slot.loaded_digest) > 0"));
  MPYD_TRY_ASSIGN(out.loaded, count(std::move(loaded)));
  MPYD_TRY_ASSIGN(
      Statement errors,
      connection.prepare("SELECT count(*), slot.error FROM " MPYD_BOARDS "WHERE slot.error <> 0 "
                         "GROUP BY slot.error ORDER BY 1 DESC, 2"));
  MPYD_TRY_ASSIGN(out.boards_by_error, read_counts<std::uint32_t>(errors, number_key));
  return {};
}

Result<void> count_top(Connection& connection, std::size_t top_max, Statistics& out) {
  MPYD_TRY_ASSIGN(Statement refused,
                  connection.prepare("SELECT count(*), slot.hardware_id FROM " MPYD_BOARDS
                                     "WHERE slot.error <> 0 AND slot.hardware_id <> '' "
                                     "GROUP BY slot.hardware_id ORDER BY 1 DESC, 2 LIMIT ?"));
  refused.bind(std::uint64_t{top_max});
  MPYD_TRY_ASSIGN(out.refused_hardware_ids,
                  read_counts<std::string>(
                      refused, [](const Statement& row) { return std::string(row.text(1)); }));
  // All variants of a release are one.
  MPYD_TRY_ASSIGN(
      Statement installs,
      connection.prepare("SELECT count(*), releases.hardware_id, driver_name, version, release, "
                         "max(withdrawn), deprecated FROM " MPYD_BOARDS
                         "JOIN variants ON variants.digest = slot.loaded_digest "
                         "JOIN releases ON releases.id = variants.release_id "
                         "GROUP BY releases.id ORDER BY 1 DESC, 2, 5 LIMIT ?"));
  installs.bind(std::uint64_t{top_max});
  MPYD_TRY_ASSIGN(out.installs, read_counts<ReleaseTitle>(installs, [](const Statement& row) {
                    return read_title(row, 1);
                  }));
  return {};
}

}  // namespace

Result<std::vector<InventoryRow>> SqliteInventoryStore::list(const Filter& filter) const {
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare(
          "SELECT " MPYD_SLOT_COLUMNS ", " MPYD_TITLE_COLUMNS
          ", slot.device_id, devices.name, devices.last_seen_unix_s, "
          "(SELECT device_pins.release FROM device_pins WHERE device_pins.device_id = "
          "slot.device_id AND device_pins.hardware_id = slot.hardware_id) FROM " MPYD_BOARDS
          "LEFT JOIN variants ON variants.digest = slot.loaded_digest "
          "LEFT JOIN releases ON releases.id = variants.release_id "
          "WHERE (?1 IS NULL OR slot.hardware_id = ?1) AND (?2 IS NULL OR slot.device_id = ?2) "
          "AND (?3 IS NULL OR slot.state = ?3) AND (?4 IS NULL OR slot.error = ?4) "
          "AND (slot.device_id, slot.slot) > (?5, ?6) "
          "ORDER BY slot.device_id, slot.slot LIMIT ?7"));
  rows.bind(filter.hardware_id).bind(filter.device_id).bind(filter.state).bind(filter.error);
  if (filter.after)
    rows.bind(filter.after->device_id).bind(filter.after->slot);
  else
    rows.bind(std::string_view()).bind(std::int64_t{-1});
  rows.bind(std::uint64_t{filter.count_max});
  constexpr int kTitle = kSlotColumns;
  constexpr int kDevice = kTitle + 6;
  std::vector<InventoryRow> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    InventoryRow row{.device_id = std::string(rows.text(kDevice)),
                     .device_name = std::string(rows.text(kDevice + 1)),
                     .last_seen_unix_s = rows.u64(kDevice + 2),
                     .slot = {},
                     .loaded = read_title(rows, kTitle),
                     .pinned_release = rows.u32(kDevice + 3)};
    MPYD_TRY_ASSIGN(row.slot, read_slot(rows));
    out.push_back(std::move(row));
  }
}

Result<Statistics> SqliteInventoryStore::statistics(std::uint64_t seen_since_unix_s,
                                                    std::size_t top_max) const {
  Statistics out;
  MPYD_TRY(count_devices(connection_, seen_since_unix_s, out));
  MPYD_TRY(count_boards(connection_, out));
  MPYD_TRY(count_top(connection_, top_max, out));
  return out;
}

}  // namespace mpyd::server::sqlite
