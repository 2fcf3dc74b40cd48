#include "server/domain/device.hpp"

#include <algorithm>

#include "protocol/crypto.hpp"
#include "protocol/sync/report.hpp"

namespace mpyd::server {

std::string_view name(DeviceState state) {
  switch (state) {
    case DeviceState::enrolled:
      return "enrolled";
    case DeviceState::revoked:
      return "revoked";
    case DeviceState::waiting:
      return "waiting";
    case DeviceState::replaced:
      return "replaced";
  }
  return "unknown";
}

bool is_refusal_by_trust(std::uint32_t error) {
  constexpr Errc kRefusals[] = {
      Errc::bad_signature, Errc::threshold, Errc::bad_digest,  Errc::decryption,
      Errc::untrusted,     Errc::revoked,   Errc::expired,     Errc::rollback,
      Errc::equivocation,  Errc::replayed,  Errc::quarantined,
  };
  return std::ranges::find(kRefusals, static_cast<Errc>(error)) != std::end(kRefusals);
}

bool is_trouble(std::uint32_t error) {
  constexpr Errc kTroubles[] = {Errc::driver_error, Errc::load_error, Errc::memory,
                                Errc::policy,       Errc::no_key,     Errc::power};
  return is_refusal_by_trust(error) ||
         std::ranges::find(kTroubles, static_cast<Errc>(error)) != std::end(kTroubles);
}

std::string device_id(const ExchangeKey& public_key) {
  return std::string(format_digest(crypto::sha256(public_key.bytes())).view().substr(0, 16));
}

std::string_view slot_state_name(std::uint32_t state) {
  return state > 0xff ? "unknown" : name(static_cast<sync::SlotState>(state));
}

std::string_view device_event_name(std::uint32_t kind) {
  return kind > 0xff ? "unknown" : name(static_cast<sync::EventKind>(kind));
}

bool DeviceSlot::is_quarantined() const {
  return error == static_cast<std::uint32_t>(Errc::quarantined);
}

bool DeviceSlot::same_as(const DeviceSlot& other) const {
  return slot == other.slot && hardware_id == other.hardware_id && revision == other.revision &&
         same_bytes({serial.begin(), serial.size()}, {other.serial.begin(), other.serial.size()}) &&
         state == other.state && error == other.error && eeprom_digest == other.eeprom_digest &&
         loaded_digest == other.loaded_digest;
}

}  // namespace mpyd::server
