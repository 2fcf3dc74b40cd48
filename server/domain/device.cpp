#include "server/domain/device.hpp"

#include <array>

#include "protocol/crypto.hpp"

namespace mpyd::server {

std::string_view name(DeviceState state) {
  return state == DeviceState::revoked ? "revoked" : "enrolled";
}

std::string device_id(const ExchangeKey& public_key) {
  return std::string(format_digest(crypto::sha256(public_key.bytes())).view().substr(0, 16));
}

std::string_view slot_state_name(std::uint32_t state) {
  constexpr std::array<std::string_view, 7> kNames = {
      "empty", "unidentified", "waiting", "fetching", "verifying", "running", "refused"};
  return state < kNames.size() ? kNames[state] : "unknown";
}

std::string_view device_event_name(std::uint32_t kind) {
  constexpr std::array<std::string_view, 11> kNames = {
      "unknown", "plugged", "identified", "unidentified", "chosen",       "loaded",
      "refused", "removed", "synced",     "offline",      "trust-changed"};
  return kNames[kind < kNames.size() ? kind : 0];
}

bool DeviceSlot::same_as(const DeviceSlot& other) const {
  return slot == other.slot && hardware_id == other.hardware_id && revision == other.revision &&
         same_bytes({serial.begin(), serial.size()}, {other.serial.begin(), other.serial.size()}) &&
         state == other.state && error == other.error && eeprom_digest == other.eeprom_digest &&
         loaded_digest == other.loaded_digest;
}

}  // namespace mpyd::server
