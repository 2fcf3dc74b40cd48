#include "server/domain/device.hpp"

#include <algorithm>
#include <array>

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

std::optional<DeviceState> device_state_named(std::string_view text) {
  for (const DeviceState state :
       {DeviceState::enrolled, DeviceState::revoked, DeviceState::waiting, DeviceState::replaced})
    if (name(state) == text) return state;
  return std::nullopt;
}

namespace {

constexpr std::uint32_t number(Errc code) { return static_cast<std::uint32_t>(code); }

// The refusals by trust come first.
constexpr std::array kTroubles = {
    number(Errc::bad_signature), number(Errc::threshold),   number(Errc::bad_digest),
    number(Errc::decryption),    number(Errc::untrusted),   number(Errc::revoked),
    number(Errc::expired),       number(Errc::rollback),    number(Errc::equivocation),
    number(Errc::replayed),      number(Errc::quarantined), number(Errc::driver_error),
    number(Errc::load_error),    number(Errc::memory),      number(Errc::policy),
    number(Errc::no_key),        number(Errc::power),
};
constexpr std::size_t kRefusalsByTrust = 11;
static_assert(kTroubles[kRefusalsByTrust - 1] == number(Errc::quarantined));

}  // namespace

bool is_refusal_by_trust(std::uint32_t error) {
  const auto refusals = trouble_errors().first(kRefusalsByTrust);
  return std::ranges::find(refusals, error) != refusals.end();
}

std::span<const std::uint32_t> trouble_errors() { return kTroubles; }

bool is_trouble(std::uint32_t error) {
  return std::ranges::find(kTroubles, error) != kTroubles.end();
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
