#include "server/storage/sqlite/abi_columns.hpp"
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

Result<std::optional<Device>> SqliteDeviceStore::find(std::string_view id) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT " MPYD_DEVICE_COLUMNS " FROM devices WHERE id = ?"));
  rows.bind(id);
  MPYD_TRY_ASSIGN(const bool found, rows.step());
  if (!found) return std::nullopt;
  return read_device(rows);
}

Result<std::vector<Device>> SqliteDeviceStore::list(std::size_t count_max) const {
  MPYD_TRY_ASSIGN(Statement rows, connection_.prepare("SELECT " MPYD_DEVICE_COLUMNS
                                                      " FROM devices ORDER BY id LIMIT ?"));
  rows.bind(std::uint64_t{count_max});
  std::vector<Device> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    MPYD_TRY_ASSIGN(Device device, read_device(rows));
    out.push_back(std::move(device));
  }
}

Result<std::uint64_t> SqliteDeviceStore::count() const {
  MPYD_TRY_ASSIGN(Statement rows, connection_.prepare("SELECT count(*) FROM devices"));
  MPYD_TRY(rows.step());
  return rows.u64(0);
}

Result<std::vector<DeviceSlot>> SqliteDeviceStore::slots(std::string_view id) const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare(
                      "SELECT slot, hardware_id, revision, serial, state, error, "
                      "eeprom_digest, loaded_digest, since_unix_s, retries, "
                      "board_since_unix_s FROM device_slots WHERE device_id = ? ORDER BY slot"));
  rows.bind(id);
  std::vector<DeviceSlot> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    MPYD_TRY_ASSIGN(DeviceSlot slot, read_slot(rows));
    out.push_back(std::move(slot));
  }
}

Result<std::vector<DeviceStore::SlotError>> SqliteDeviceStore::slot_errors() const {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection_.prepare("SELECT device_id, slot, error FROM device_slots "
                                      "WHERE error <> 0 ORDER BY device_id, slot"));
  std::vector<SlotError> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) return out;
    out.push_back({std::string(rows.text(0)), rows.u32(1), rows.u32(2)});
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

Result<std::vector<DeviceStore::Place>> SqliteDeviceStore::cloned_slots() const {
  MPYD_TRY_ASSIGN(
      Statement rows,
      connection_.prepare(
          "SELECT slot.device_id, slot.slot FROM device_slots AS slot "
          "JOIN devices AS device ON device.id = slot.device_id "
          "WHERE length(slot.serial) > 0 AND device.state = 0 AND EXISTS ("
          "SELECT 1 FROM device_slots AS other JOIN devices AS owner ON owner.id = other.device_id "
          "WHERE other.hardware_id = slot.hardware_id AND other.serial = slot.serial "
          "AND length(other.serial) > 0 "
          "AND (other.device_id <> slot.device_id OR other.slot <> slot.slot) "
          "AND " MPYD_HAD_AT_ONCE("slot.board_since_unix_s",
                                  "device.last_seen_unix_s") ") "
                                                             "ORDER BY slot.device_id, slot.slot"));
  return read_places(rows);
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
