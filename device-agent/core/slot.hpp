// One slot and what the agent knows of it.
#pragma once

#include "device-agent/core/ports.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/sync/report.hpp"
#include "protocol/trust/verify.hpp"

namespace mpyd::agent {

using sync::SlotState;

struct Slot {
  SlotState state = SlotState::empty;
  Errc error{};
  DriverLoader::Module module = DriverLoader::kNoModule;
  std::uint8_t misses = 0;       // consecutive probes without an answer
  std::uint8_t attempts = 0;     // at reading the identity
  bool hash_pending = false;     // the digest of the package on the EEPROM is not known yet
  bool wants_answer = false;     // from the server
  bool decided_offline = false;  // since it was plugged or last answered
  bool load_pending = false;     // `chosen` is to be verified and loaded
  std::uint32_t plugged_ms = 0;  // or when another package was chosen for it
  std::uint32_t next_probe_ms = 0;
  std::uint32_t generation = 0;    // rises with every plug and pull
  std::uint32_t chosen_bytes = 0;  // size of the chosen package, as announced
  eeprom::BoardIdentity identity;
  Digest eeprom_digest;  // of the package on the EEPROM; zero: none
  Digest chosen;         // by the server or offline; zero: none
  Digest loaded;         // running now; zero: none
};

}  // namespace mpyd::agent
