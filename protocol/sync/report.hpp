// What devices report of their slots: numbers on the wire and in the server's database, never
// reused.
#pragma once

#include <cstdint>
#include <string_view>

namespace mpyd::sync {

enum class SlotState : std::uint8_t {
  empty = 0,
  identifying = 1,   // something answers; its identity is being read
  unidentified = 2,  // something is there, but in no known layout
  waiting = 3,       // identified; waits for a decision
  fetching = 4,      // pass 1 from the network into the cache
  verifying = 5,     // pass 1 over cache or EEPROM
  running = 6,
  refused = 7,  // no driver; an error says why
};

enum class EventKind : std::uint8_t {
  plugged = 1,       // something answers at the EEPROM address
  identified = 2,    // hardware ID known
  unidentified = 3,  // error says why; detail holds the first bytes in hex
  chosen = 4,        // a package was chosen; detail says why
  loaded = 5,        // attach returned; duration_ms since plugged, or since the package was chosen
  refused = 6,       // error, detail: one sentence
  removed = 7,       // the board is gone
  synced = 8,        // the server answered
  offline = 9,       // the server does not answer; error
  trust_changed = 10,  // a new root or head is in force
  stored = 11,         // a package was written to the board's EEPROM; error: it was not, and why
  stuck = 12,          // a line of the bus hangs (error io), or was freed (no error)
};

// The enumerator's name; "unknown" for a number from a newer peer.
std::string_view name(SlotState state);
std::string_view name(EventKind kind);

}  // namespace mpyd::sync
