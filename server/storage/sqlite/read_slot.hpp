// A row of device_slots as a value.
#pragma once

#include "server/domain/device.hpp"
#include "server/storage/sqlite/connection.hpp"

// In the order in which read_slot takes them, from the first column on.
#define MPYD_SLOT_COLUMNS                                                   \
  "slot.slot, slot.hardware_id, slot.revision, slot.serial, slot.state, "   \
  "slot.error, slot.eeprom_digest, slot.loaded_digest, slot.since_unix_s, " \
  "slot.retries, slot.board_since_unix_s"

namespace mpyd::server::sqlite {

inline constexpr int kSlotColumns = 11;

Result<DeviceSlot> read_slot(const Statement& row);

}  // namespace mpyd::server::sqlite
