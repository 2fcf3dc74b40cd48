// What is plugged where, and how often: what motherboards last said, and what the server makes of
// it.
#pragma once

#include <string>
#include <vector>

#include "server/domain/device.hpp"

namespace mpyd::server {

// A release as others name it, with what the operator says of it.
struct ReleaseTitle {
  std::string hardware_id;
  std::string driver_name;  // empty: it is none of this server's
  std::string version;
  std::uint32_t release = 0;
  bool withdrawn = false;
  std::string deprecated;  // why; empty: it is not
};

// One board in one slot of an enrolled motherboard.
struct InventoryRow {
  std::string device_id;
  std::string device_name;
  std::uint64_t last_seen_unix_s = 0;
  DeviceSlot slot;
  ReleaseTitle loaded;               // what loaded_digest is
  std::uint32_t pinned_release = 0;  // for this board on this motherboard; 0: none
};

// The fleet in numbers, as of now. Boards are those of enrolled motherboards.
struct Statistics {
  template <class Key>
  struct Count {
    Key key{};
    std::uint64_t count = 0;
  };
  std::uint64_t devices = 0;
  std::uint64_t devices_seen = 0;  // since the time that was asked for
  std::vector<Count<DeviceState>> devices_by_state;
  std::uint64_t boards = 0;
  std::uint64_t loaded = 0;                              // boards whose driver runs
  std::vector<Count<std::uint32_t>> boards_by_state;     // the agent's SlotState
  std::vector<Count<std::uint32_t>> boards_by_error;     // Errc; most frequent first
  std::vector<Count<std::string>> refused_hardware_ids;  // most frequent first
  std::vector<Count<ReleaseTitle>> installs;             // most frequent first
};

// So many rows of each "most frequent first" are told.
inline constexpr std::size_t kTopMax = 20;

// A release that one motherboard gets for a hardware ID, and no other.
struct DevicePin {
  std::string device_id;
  std::string hardware_id;
  std::uint32_t release = 0;
  std::uint64_t since_unix_s = 0;
};

// Pins of one motherboard; it has not so many slots.
inline constexpr std::size_t kPinsPerDeviceMax = 64;

}  // namespace mpyd::server
