// An enrolled motherboard and what it last said of its slots.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/abi.hpp"
#include "protocol/digest.hpp"
#include "protocol/inline_buffer.hpp"

namespace mpyd::server {

// Stored: never reuse.
enum class DeviceState : std::uint8_t {
  enrolled = 0,
  revoked = 1,
  waiting = 2,   // for the operator's approval
  replaced = 3,  // another motherboard took its place; its key is as good as revoked
};
std::string_view name(DeviceState state);
std::optional<DeviceState> device_state_named(std::string_view text);

// The first 16 hex digits of SHA-256(public key).
std::string device_id(const ExchangeKey& public_key);

struct Device {
  std::string id;
  ExchangeKey public_key;
  std::string name;
  DeviceState state = DeviceState::enrolled;
  std::uint64_t enrolled_unix_s = 0;
  std::string token_name;  // which token enrolled it; empty: the operator did
  // As of the last sync; zero and empty before the first.
  std::uint64_t last_counter = 0;
  std::uint64_t last_seen_unix_s = 0;
  Abi abi;
  std::string firmware;
  std::string agent_version;
  std::uint32_t refusals = 0;  // reports in a row that told of something refused by trust
  // Events of the hour (counted from 1970) that are in the audit log, and those that are not.
  std::uint64_t event_hour = 0;
  std::uint32_t event_rows = 0;
  std::uint32_t event_drops = 0;

  // Its key counts for nothing any more.
  bool is_out() const { return state == DeviceState::revoked || state == DeviceState::replaced; }
};

// So many reports in a row with a refusal by trust, and the operator is shown the device.
inline constexpr std::uint32_t kRefusalsOfTrouble = 3;

// The errors of a slot that are something for the operator: refusals by trust, and drivers that
// fail.
std::span<const std::uint32_t> trouble_errors();
// Is this one of them?
bool is_trouble(std::uint32_t error);

// So many places of one board are told of; who copies a board copies it often.
inline constexpr std::size_t kClonesToldMax = 4;

// So many answers lift a quarantine: one may be lost, and a driver that takes the motherboard down
// again must not be tried for ever.
inline constexpr std::uint32_t kRetryAnswers = 3;

// Does this error say that somebody tried to load what trust forbids, or that trust itself fails?
bool is_refusal_by_trust(std::uint32_t error);

// The agent's SlotState, by number (device-agent/core/agent.hpp).
std::string_view slot_state_name(std::uint32_t state);

// The agent's EventKind, by number (device-agent/core/ports.hpp).
std::string_view device_event_name(std::uint32_t kind);

struct DeviceSlot {
  std::uint32_t slot = 0;
  std::string hardware_id;  // empty: unidentified
  std::uint32_t revision = 0;
  Serial serial;
  std::uint32_t state = 0;
  std::uint32_t error = 0;         // Errc; 0: none
  Digest eeprom_digest;            // zero: none
  Digest loaded_digest;            // zero: none
  std::uint64_t since_unix_s = 0;  // when the server first heard of the present state
  std::uint32_t retries = 0;       // so many answers more lift the quarantine
  // When the server first heard that this very board is here, and of no moment without it since.
  std::uint64_t board_since_unix_s = 0;

  bool is_quarantined() const;
  // The operator's try-again has yet to reach the device.
  bool is_retry_pending() const { return retries == kRetryAnswers; }
  // Does the device say the same of the board in both?
  bool same_as(const DeviceSlot& other) const;
};

}  // namespace mpyd::server
