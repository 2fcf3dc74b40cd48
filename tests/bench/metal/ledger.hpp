// Who the instructions between a plug and a loaded driver go to. One part is current at any moment;
// what it calls into another part counts there.
#pragma once

#include <cstdint>
#include <span>

namespace mpyd::bench {

enum class Part : std::uint8_t {
  outside,  // the application, and waiting
  agent,    // core, protocol, messages, port: whatever is none of the others
  bus,      // these five: the Python objects behind the ports, and all below them
  network,
  store,
  host,     // time, random bytes, watchdog
  told,     // events, boards: the application's Python
  load,     // MicroPython's loader
  driver,   // the driver's own code
  collect,  // MicroPython's collector, and asking it for room
  verify,   // primitives from here on
  agree,
  hash,
  open,
  bare_verify,  // the same calls with the same arguments, alone
  bare_agree,
  bare_hash,
  bare_open,
  bench,  // this program
};
inline constexpr unsigned kParts = static_cast<unsigned>(Part::bench) + 1;
inline constexpr unsigned kInstructionsPerTick =
    40;  // under -icount shift=0: 1 ns each; a tick is 40 ns

// The name that the host's side knows the part by.
const char* name(Part part);

// A part until the end of the block.
class Within {
 public:
  explicit Within(Part part);
  ~Within();
  Within(const Within&) = delete;
  Within& operator=(const Within&) = delete;

 private:
  unsigned depth_;
};

Part current_part();

// From here to finish() everything is counted anew.
void start_ledger();
void finish_ledger();
bool ledger_is_running();
// Of the last session, less what counting took.
std::uint32_t instructions(Part part);
std::uint32_t entries(Part part);

}  // namespace mpyd::bench
