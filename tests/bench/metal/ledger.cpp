#include "ledger.hpp"

#include <algorithm>
#include <array>

#include "depth.hpp"

extern "C" {
#include "py/mphal.h"
}

namespace mpyd::bench {
namespace {

constexpr std::uint32_t kTicksPerMs = 25000;  // BOARD_CLOCK_HZ / 1000
constexpr unsigned kCalibrationRounds = 256;
constexpr const char* kNames[kParts] = {
    "outside",     "agent",      "bus",       "network",   "store", "host", "told",
    "load",        "driver",     "collect",   "verify",    "agree", "hash", "open",
    "bare_verify", "bare_agree", "bare_hash", "bare_open", "bench"};

struct Account {
  std::uint64_t ticks = 0;
  std::uint32_t entries = 0;  // into this part
  std::uint32_t calls = 0;    // from this part into others
};

std::array<Account, kParts> accounts;
std::array<Part, 24> stack{Part::outside};
unsigned depth = 1;
std::uint64_t since = 0;
bool is_running = false;
// What an entry costs the part that is entered, and the one it comes from; in 1/256 ticks.
std::uint64_t inner_cost = 0;
std::uint64_t outer_cost = 0;

std::uint32_t word_at(std::uintptr_t address) {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}

std::uint64_t now() {
  constexpr std::uintptr_t kSysTickCounter = 0xE000E018;  // counts down
  constexpr std::uintptr_t kIcsr = 0xE000ED04;
  constexpr std::uint32_t kSysTickPends = 1U << 26;
  for (;;) {
    const std::uint32_t ms = mp_hal_ticks_ms();
    const std::uint32_t left = word_at(kSysTickCounter);
    // It may have begun anew before its interrupt was taken.
    const bool is_new = (word_at(kIcsr) & kSysTickPends) != 0 && left > kTicksPerMs / 2;
    if (ms == mp_hal_ticks_ms())
      return std::uint64_t{ms + is_new} * kTicksPerMs + (kTicksPerMs - 1 - left);
  }
}

Account& account(Part part) { return accounts[static_cast<unsigned>(part)]; }

void settle() {
  const std::uint64_t at = now();
  account(current_part()).ticks += at - since;
  since = at;
}

void calibrate() {
  accounts = {};
  {
    Within calls(Part::host);
    for (unsigned i = 0; i < kCalibrationRounds; ++i) Within empty(Part::bench);
  }
  inner_cost = account(Part::bench).ticks * 256 / kCalibrationRounds;
  outer_cost = account(Part::host).ticks * 256 / kCalibrationRounds;
}

}  // namespace

const char* name(Part part) { return kNames[static_cast<unsigned>(part)]; }

Part current_part() { return stack[depth - 1]; }

Within::Within(Part part) : depth_(depth) {
  note_leaving(current_part());
  settle();
  account(current_part()).calls += 1;
  account(part).entries += 1;
  stack[std::min<std::size_t>(depth++, stack.size() - 1)] = part;
}

Within::~Within() {
  note_leaving(current_part());
  settle();
  depth = depth_;
  note_back(current_part());
}

void start_ledger() {
  calibrate();
  accounts = {};
  since = now();
  is_running = true;
}

void finish_ledger() {
  settle();
  is_running = false;
}

bool ledger_is_running() { return is_running; }

std::uint32_t instructions(Part part) {
  const Account& of = account(part);
  const std::uint64_t counting = (of.entries * inner_cost + of.calls * outer_cost) / 256;
  return of.ticks > counting
             ? static_cast<std::uint32_t>((of.ticks - counting) * kInstructionsPerTick)
             : 0;
}

std::uint32_t entries(Part part) { return account(part).entries; }

}  // namespace mpyd::bench
