#include "server/storage/sqlite/abi_columns.hpp"
#include "server/storage/sqlite/read_slot.hpp"
#include "server/storage/sqlite/stores.hpp"

namespace mpyd::server::sqlite {
namespace {

#define MPYD_DEVICE_COLUMNS                                             \
  "id, public_key, name, state, enrolled_unix_s, last_counter, "        \
  "last_seen_unix_s, " MPYD_ABI_COLUMNS                                 \
  ", core, firmware, agent_version, token_name, refusals, event_hour, " \
  "event_rows, event_drops"

// Whatever this mpyd does not know gets nothing.
DeviceState read_state(std::int64_t number) {
  switch (number) {
    case 0:
      return DeviceState::enrolled;
    case 2:
      return DeviceState::waiting;
    case 3:
      return DeviceState::replaced;
    default:
      return DeviceState::revoked;
  }
}

Result<Device> read_device(const Statement& row) {
  Device out;
  out.id = row.text(0);
  MPYD_TRY_ASSIGN(out.public_key, ExchangeKey::from(row.blob(1)));
  out.name = row.text(2);
  out.state = read_state(row.integer(3));
  out.enrolled_unix_s = row.u64(4);
  out.last_counter = row.u64(5);
  out.last_seen_unix_s = row.u64(6);
  out.abi = read_abi(row, 7);
  out.abi.core = static_cast<Arch>(row.u8(7 + kAbiColumns));
  out.firmware = row.text(15);
  out.agent_version = row.text(16);
  out.token_name = row.text(17);
  out.refusals = row.u32(18);
  out.event_hour = row.u64(19);
  out.event_rows = row.u32(20);
  out.event_drops = row.u32(21);
  return out;
}

// A digest column: zero is stored as no bytes.
Bytes optional_digest(const Digest& digest) { return digest.is_zero() ? Bytes{} : digest.bytes(); }

Result<Digest> read_digest(Bytes blob) {
  if (blob.empty()) return Digest{};
  return lift(Digest::from(blob), "digest in the database");
}

// Everything update() may change, in the order of both statements.
void bind_fields(Statement& statement, const Device& device) {
  statement.bind(std::string_view(device.name))
      .bind(static_cast<std::uint32_t>(device.state))
      .bind(device.last_counter)
      .bind(device.last_seen_unix_s);
  bind_abi(statement, device.abi)
      .bind(static_cast<std::uint32_t>(device.abi.core))
      .bind(std::string_view(device.firmware))
      .bind(std::string_view(device.agent_version))
      .bind(std::string_view(device.token_name))
      .bind(device.refusals)
      .bind(device.event_hour)
      .bind(device.event_rows)
      .bind(device.event_drops);
}

}  // namespace

Result<DeviceSlot> read_slot(const Statement& row) {
  DeviceSlot out;
  out.slot = row.u32(0);
  out.hardware_id = row.text(1);
  out.revision = row.u32(2);
  for (const std::byte b : row.blob(3)) out.serial.push_back(b);
  out.state = row.u32(4);
  out.error = row.u32(5);
  MPYD_TRY_ASSIGN(out.eeprom_digest, read_digest(row.blob(6)));
  MPYD_TRY_ASSIGN(out.loaded_digest, read_digest(row.blob(7)));
  out.since_unix_s = row.u64(8);
  out.retries = row.u32(9);
  out.board_since_unix_s = row.u64(10);
  return out;
}

Result<std::optional<Device>> SqliteDeviceStore::find(std::string_view id) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_DEVICE_COLUMNS " FROM devices WHERE id = ?"));
  rows.bind(id);
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return read_device(rows);
}

Result<std::uint64_t> SqliteDeviceStore::count() const {
  MPYD_TRY_ASSIGN(Statement rows, connection_.prepare("SELECT count(*) FROM devices"));
  MPYD_TRY(rows.step());
  return rows.u64(0);
}

Result<std::vector<DeviceStore::StateCount>> SqliteDeviceStore::count_by_state() const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT state, count(*) FROM devices GROUP BY state"));
  std::vector<StateCount> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back({static_cast<DeviceState>(rows.u8(0)), rows.u64(1)});
  }
}

Result<std::vector<DeviceStore::SlotCount>> SqliteDeviceStore::count_slots() const {
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare("SELECT slot.state, slot.error, count(*) FROM device_slots AS slot JOIN "
                          "devices ON devices.id = slot.device_id WHERE devices.state = ? "
                          "GROUP BY slot.state, slot.error"));
  rows.bind(static_cast<std::uint32_t>(DeviceState::enrolled));
  std::vector<SlotCount> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back({rows.u32(0), rows.u32(1), rows.u64(2)});
  }
}

Result<std::vector<DeviceSlot>> SqliteDeviceStore::slots(std::string_view id) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_SLOT_COLUMNS
                                      " FROM device_slots AS slot WHERE slot.device_id = ? "
                                      "ORDER BY slot.slot"));
  rows.bind(id);
  std::vector<DeviceSlot> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    MPYD_TRY_ASSIGN(DeviceSlot slot, read_slot(rows));
    out.push_back(std::move(slot));
  }
}

namespace {

// `others` of the board in `slot` that its motherboard, `device`, and theirs, `owner`, had at once.
// Seconds are the server's: what happened within one is not told apart, and counts as a move.
#define MPYD_HAD_AT_ONCE(slot_since, device_last_seen) \
  "owner.state = 0 AND " slot_since                    \
  " < owner.last_seen_unix_s AND other.board_since_unix_s < " device_last_seen

Result<std::vector<DeviceStore::Place>> read_places(Statement& rows) {
  std::vector<DeviceStore::Place> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back({std::string(rows.text(0)), rows.u32(1)});
  }
}

}  // namespace

Result<std::vector<DeviceStore::Place>> SqliteDeviceStore::clones(const Device& device,
                                                                  const DeviceSlot& slot,
                                                                  std::size_t count_max) const {
  if (slot.serial.empty() || device.state != DeviceState::enrolled)
    return std::vector<DeviceStore::Place>();
  // The partial index is used only where the condition stands as it stands there.
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare(
          "SELECT other.device_id, other.slot FROM (SELECT device_id, slot, board_since_unix_s "
          "FROM device_slots WHERE hardware_id = ?1 AND serial = ?2 AND length(serial) > 0 "
          "AND (device_id <> ?3 OR slot <> ?4) LIMIT ?5) AS other "
          "JOIN devices AS owner ON owner.id = other.device_id "
          "WHERE " MPYD_HAD_AT_ONCE("?6", "?7") " LIMIT ?8"));
  rows.bind(std::string_view(slot.hardware_id))
      .bind(Bytes(slot.serial.begin(), slot.serial.size()))
      .bind(std::string_view(device.id))
      .bind(slot.slot)
      .bind(std::uint64_t{kClonesSearchedMax})
      .bind(slot.board_since_unix_s)
      .bind(device.last_seen_unix_s)
      .bind(std::uint64_t{count_max});
  return read_places(rows);
}

namespace {

// A motherboard that refuses as often as ?10 in a row, has a slot with an error of the JSON array
// ?11, or a board that clones() finds elsewhere.
#define MPYD_IS_TROUBLED                                                                 \
  "(refusals >= ?10 OR EXISTS (SELECT 1 FROM device_slots AS troubled "                  \
  "WHERE troubled.device_id = devices.id "                                               \
  "AND troubled.error IN (SELECT value FROM json_each(?11))) OR (devices.state = 0 AND " \
  "EXISTS (SELECT 1 FROM device_slots AS slot JOIN device_slots AS other "               \
  "ON other.hardware_id = slot.hardware_id AND other.serial = slot.serial "              \
  "AND length(other.serial) > 0 "                                                        \
  "AND (other.device_id <> slot.device_id OR other.slot <> slot.slot) "                  \
  "JOIN devices AS owner ON owner.id = other.device_id "                                 \
  "WHERE slot.device_id = devices.id AND length(slot.serial) > 0 AND " MPYD_HAD_AT_ONCE( \
      "slot.board_since_unix_s", "devices.last_seen_unix_s") ")))"

// `position` compares with ?12 (id), ?13 (name) and ?14 (last seen).
#define MPYD_LIST_DEVICES(position, order)                                        \
  "SELECT " MPYD_DEVICE_COLUMNS                                                   \
  " FROM devices WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR name = ?2) " \
  "AND (?3 = '' OR substr(name, 1, length(?3)) = ?3) "                            \
  "AND (?4 = '' OR substr(id, 1, length(?4)) = ?4) "                              \
  "AND (?5 IS NULL OR token_name = ?5) AND (?6 IS NULL OR EXISTS (SELECT 1 "      \
  "FROM device_slots AS board WHERE board.device_id = devices.id "                \
  "AND board.hardware_id = ?6)) AND last_seen_unix_s >= ?7 "                      \
  "AND (?8 IS NULL OR last_seen_unix_s < ?8) "                                    \
  "AND (?9 IS NULL OR ?9 = " MPYD_IS_TROUBLED ") AND " position " ORDER BY " order " LIMIT ?15"

const char* list_statement(DeviceStore::Order order, bool is_descending) {
  switch (order) {
    case DeviceStore::Order::name:
      return is_descending ? MPYD_LIST_DEVICES("(name, id) < (?13, ?12)", "name DESC, id DESC")
                           : MPYD_LIST_DEVICES("(name, id) > (?13, ?12)", "name, id");
    case DeviceStore::Order::last_seen:
      return is_descending
                 ? MPYD_LIST_DEVICES("(last_seen_unix_s, id) < (?14, ?12)",
                                     "last_seen_unix_s DESC, id DESC")
                 : MPYD_LIST_DEVICES("(last_seen_unix_s, id) > (?14, ?12)", "last_seen_unix_s, id");
    case DeviceStore::Order::id:
      break;
  }
  return is_descending ? MPYD_LIST_DEVICES("id < ?12", "id DESC")
                       : MPYD_LIST_DEVICES("id > ?12", "id");
}

std::string json_of(std::span<const std::uint32_t> numbers) {
  std::string out = "[";
  for (const std::uint32_t number : numbers)
    out += (out.size() == 1 ? "" : ",") + std::to_string(number);
  return out + "]";
}

}  // namespace

Result<std::vector<Device>> SqliteDeviceStore::list(const Filter& filter) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare(list_statement(filter.order, filter.is_descending)));
  const std::string errors = json_of(filter.trouble_errors);
  std::optional<std::uint32_t> state;
  if (filter.state) state = static_cast<std::uint32_t>(*filter.state);
  std::optional<std::uint32_t> is_troubled;
  if (filter.is_troubled) is_troubled = *filter.is_troubled ? 1 : 0;
  rows.bind(state)
      .bind(filter.name)
      .bind(filter.name_prefix)
      .bind(filter.id_prefix)
      .bind(filter.token_name)
      .bind(filter.hardware_id)
      .bind(filter.seen_from_unix_s)
      .bind(filter.seen_before_unix_s)
      .bind(is_troubled)
      .bind(filter.trouble_refusals)
      .bind(errors);
  if (filter.after) {
    rows.bind(filter.after->id).bind(filter.after->name).bind(filter.after->last_seen_unix_s);
  } else if (filter.is_descending) {
    // To SQLite a blob is greater than every text and every number.
    for (int i = 0; i < 3; ++i) rows.bind(Bytes());
  } else {
    rows.bind(std::string_view()).bind(std::string_view()).bind(std::int64_t{-1});
  }
  rows.bind(std::uint64_t{filter.count_max});
  std::vector<Device> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    MPYD_TRY_ASSIGN(Device device, read_device(rows));
    out.push_back(std::move(device));
  }
}

Result<void> SqliteDeviceStore::add(const Device& device) {
  MPYD_TRY_ASSIGN(
      Statement insert,
      connection_.prepare(
          "INSERT INTO devices (name, state, last_counter, last_seen_unix_s, " MPYD_ABI_COLUMNS
          ", core, firmware, agent_version, token_name, refusals, event_hour, event_rows, "
          "event_drops, id, public_key, enrolled_unix_s) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  bind_fields(insert, device);
  return insert.bind(std::string_view(device.id))
      .bind(device.public_key.bytes())
      .bind(device.enrolled_unix_s)
      .run();
}

Result<void> SqliteDeviceStore::update(const Device& device) {
  MPYD_TRY_ASSIGN(
      Statement update,
      connection_.prepare("UPDATE devices SET name = ?, state = ?, last_counter = ?, "
                          "last_seen_unix_s = ?, mpy_version = ?, sub_version = ?, arch = ?, "
                          "arch_flags = ?, small_int_bits = ?, float_abi = ?, object_repr = ?, "
                          "core = ?, firmware = ?, agent_version = ?, token_name = ?, "
                          "refusals = ?, event_hour = ?, event_rows = ?, event_drops = ? "
                          "WHERE id = ?"));
  bind_fields(update, device);
  MPYD_TRY(update.bind(std::string_view(device.id)).run());
  if (connection_.changes() == 0) return fail(Errc::not_found, "there is no device " + device.id);
  return {};
}

Result<void> SqliteDeviceStore::put_slot(std::string_view id, const DeviceSlot& slot) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT OR REPLACE INTO device_slots (device_id, slot, "
                                      "hardware_id, revision, serial, state, error, eeprom_digest, "
                                      "loaded_digest, since_unix_s, retries, board_since_unix_s) "
                                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  return insert.bind(id)
      .bind(slot.slot)
      .bind(std::string_view(slot.hardware_id))
      .bind(slot.revision)
      .bind(Bytes(slot.serial.begin(), slot.serial.size()))
      .bind(slot.state)
      .bind(slot.error)
      .bind(optional_digest(slot.eeprom_digest))
      .bind(optional_digest(slot.loaded_digest))
      .bind(slot.since_unix_s)
      .bind(slot.retries)
      .bind(slot.board_since_unix_s)
      .run();
}

Result<void> SqliteDeviceStore::remove_slot(std::string_view id, std::uint32_t slot) {
  MPYD_TRY_ASSIGN(Statement remove, connection_.prepare("DELETE FROM device_slots "
                                                        "WHERE device_id = ? AND slot = ?"));
  return remove.bind(id).bind(slot).run();
}

Result<std::vector<DevicePin>> SqliteDeviceStore::pins(std::string_view id) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT device_id, hardware_id, release, since_unix_s "
                                      "FROM device_pins WHERE ?1 = '' OR device_id = ?1 "
                                      "ORDER BY device_id, hardware_id"));
  rows.bind(id);
  std::vector<DevicePin> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back({.device_id = std::string(rows.text(0)),
                   .hardware_id = std::string(rows.text(1)),
                   .release = rows.u32(2),
                   .since_unix_s = rows.u64(3)});
  }
}

Result<void> SqliteDeviceStore::put_pin(const DevicePin& pin) {
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT OR REPLACE INTO device_pins (device_id, hardware_id, "
                                      "release, since_unix_s) VALUES (?, ?, ?, ?)"));
  return insert.bind(std::string_view(pin.device_id))
      .bind(std::string_view(pin.hardware_id))
      .bind(pin.release)
      .bind(pin.since_unix_s)
      .run();
}

Result<bool> SqliteDeviceStore::remove_pin(std::string_view id, std::string_view hardware_id) {
  MPYD_TRY_ASSIGN(Statement remove, connection_.prepare("DELETE FROM device_pins WHERE "
                                                        "device_id = ? AND hardware_id = ?"));
  MPYD_TRY(remove.bind(id).bind(hardware_id).run());
  return connection_.changes() != 0;
}

Result<void> SqliteDeviceStore::move_pins(std::string_view id, std::string_view successor) {
  MPYD_TRY_ASSIGN(Statement update, connection_.prepare("UPDATE OR REPLACE device_pins "
                                                        "SET device_id = ? WHERE device_id = ?"));
  return update.bind(successor).bind(id).run();
}

Result<bool> SqliteDeviceStore::add_clone_alarm(const CloneAlarm& alarm,
                                                std::uint64_t forget_before_unix_s) {
  {
    MPYD_TRY_ASSIGN(Statement forget,
                    connection_.prepare("DELETE FROM clone_alarms WHERE time_unix_s < ?"));
    MPYD_TRY(forget.bind(forget_before_unix_s).run());
  }
  MPYD_TRY_ASSIGN(Statement insert,
                  connection_.prepare("INSERT OR IGNORE INTO clone_alarms (hardware_id, serial, "
                                      "places, time_unix_s) VALUES (?, ?, ?, ?)"));
  MPYD_TRY(insert.bind(alarm.hardware_id)
               .bind(alarm.serial)
               .bind(alarm.places)
               .bind(alarm.time_unix_s)
               .run());
  return connection_.changes() != 0;
}

}  // namespace mpyd::server::sqlite
