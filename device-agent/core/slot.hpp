// One slot and what the agent knows of it.
#pragma once

#include <array>

#include "device-agent/core/ports.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/part_probe.hpp"
#include "protocol/sync/report.hpp"
#include "protocol/trust/verify.hpp"

namespace mpyd::agent {

using sync::SlotState;

// What the owner knows of a slot before a board is in it.
struct SlotPlace {
  eeprom::Place eeprom;          // where an ID EEPROM may answer; at most 8 addresses
  std::uint32_t current_ma = 0;  // that this slot can feed; 0: not bounded
};

struct Slot {
  // Where a part's address counter stands when nobody knows.
  static constexpr std::uint32_t kCounterUnknown = 0xffffffff;

  SlotState state = SlotState::empty;
  Errc error{};
  DriverLoader::Module module = DriverLoader::kNoModule;
  std::uint8_t misses = 0;       // consecutive probes without an answer
  std::uint8_t hangs = 0;        // consecutive probes of a bus that hangs; 0: it works
  std::uint8_t attempts = 0;     // at reading the identity, or a package on the EEPROM
  std::uint8_t answers = 0;      // unidentified: bit n: address n of its place does; 0: not known
  bool find_pending = false;     // something answers: find out what
  bool follows_counter = false;  // its part's address counter is seen to move as it should
  bool has_power = false;        // the current it asks for is granted
  bool hash_pending = false;     // the digest of the package on the EEPROM is not known yet
  bool wants_answer = false;     // from the server
  bool decided_offline = false;  // since it was plugged or last answered
  bool load_pending = false;     // `chosen` is to be verified and loaded
  std::uint32_t plugged_ms = 0;  // or when another package was chosen for it
  std::uint32_t next_probe_ms = 0;
  std::uint32_t generation = 0;             // rises with every plug and pull
  std::uint32_t chosen_bytes = 0;           // size of the chosen package, as announced
  eeprom::Part part;                        // the EEPROM with its identity
  std::uint32_t counter = kCounterUnknown;  // of that part: the byte it reads next
  std::array<std::byte, eeprom::kFingerprintBytesMax>
      fingerprint{};  // identity.fingerprint's bytes
  eeprom::BoardIdentity identity;
  Digest eeprom_digest;  // of the package on the EEPROM; zero: none
  Digest chosen;         // by the server or offline; zero: none
  Digest loaded;         // running now; zero: none
};

}  // namespace mpyd::agent
