// A device's sync message, parsed and bounded.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/hardware_id.hpp"
#include "server/domain/device.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

inline constexpr std::size_t kEventsPerSyncMax = 64;

struct BoardReport {
  DeviceSlot inventory;    // since_unix_s is not filled in
  HardwareId hardware_id;  // empty: unidentified
  std::vector<Digest> cached_digests;
  bool wants_answer = false;
  Digest store_digest;  // to be written to the board's EEPROM: a key block is wanted; zero: none
};

struct DeviceEvent {
  std::uint32_t kind = 0;  // the agent's EventKind
  std::uint32_t slot = 0;
  std::string hardware_id;
  Digest digest;  // zero: none
  std::uint32_t error = 0;
  std::uint32_t duration_ms = 0;
};

struct SyncRequest {
  std::uint64_t counter = 0;
  std::uint32_t targets_epoch = 0;
  std::uint32_t head_version = 0;
  Abi abi;
  std::string firmware;
  std::string agent_version;
  std::size_t answer_bytes_max = 0;  // already within what this server sends
  std::optional<Digest> enroll_token_hash;
  std::vector<BoardReport> boards;
  std::vector<DeviceEvent> events;
  std::uint32_t fleet_generation = 0;  // of the newest fleet key the device holds
  std::uint64_t unreported_slots = 0;  // bit n: slot n is occupied, and nothing is said of it
};

// Errors: malformed, limit.
Result<SyncRequest> parse_sync_request(Bytes message);

}  // namespace mpyd::server
