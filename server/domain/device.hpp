// An enrolled motherboard and what it last said of its slots.
#pragma once

#include <string>
#include <vector>

#include "protocol/abi.hpp"
#include "protocol/digest.hpp"
#include "protocol/inline_buffer.hpp"

namespace mpyd::server {

enum class DeviceState : std::uint8_t { enrolled = 0, revoked = 1 };  // stored: never reuse
std::string_view name(DeviceState state);

// The first 16 hex digits of SHA-256(public key).
std::string device_id(const ExchangeKey& public_key);

struct Device {
  std::string id;
  ExchangeKey public_key;
  std::string name;
  DeviceState state = DeviceState::enrolled;
  std::uint64_t enrolled_unix_s = 0;
  // As of the last sync; zero and empty before the first.
  std::uint64_t last_counter = 0;
  std::uint64_t last_seen_unix_s = 0;
  Abi abi;
  std::string firmware;
  std::string agent_version;
};

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

  // Does it say the same of the board, whatever the time?
  bool same_as(const DeviceSlot& other) const;
};

}  // namespace mpyd::server
