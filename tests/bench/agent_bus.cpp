// What the agent does to an I2C bus, in bytes and in time at 400 kHz: what polling costs for ever,
// and how long a board takes from its plug to its driver beside how many other slots. Time is the
// bus's alone: nine bits a byte, two bytes to a multiplexer whenever another slot is meant. Prints
// the numbers; fails where a bound is missed.
#include <cstdio>
#include <cstdlib>

#include "tests/support/agent/boards.hpp"

namespace mpyd::test {
namespace {

constexpr double kByte_us = 9 / 0.4;
constexpr double kSlowdownMax = 1.5;
// Of a bus of 400 kHz, for 64 empty slots without presence lines.
constexpr double kPollingShareMax = 0.20;

// A world whose clock is moved by its bus, too.
struct Timed : BoardsWorld {
  explicit Timed(unsigned slots) : BoardsWorld(slots) {
    bus.has_mux = true;
    bus.after_transfer = [this](std::size_t bytes) {
      left_us += static_cast<double>(bytes) * kByte_us;
      const auto whole = static_cast<std::uint32_t>(left_us / 1000);
      clock.ms += whole;
      left_us -= whole * 1000.0;
    };
    server.is_reachable = true;
    boot();
  }
  double left_us = 0;
};

// Bytes on the bus per second of nothing happening.
double polling(unsigned slots, bool is_occupied) {
  Timed world(slots);
  for (unsigned i = 0; is_occupied && i < slots; ++i)
    world.plug_part(i, part_of(BoardKind::hat_wide, {.serial = static_cast<std::uint8_t>(i)}));
  for (unsigned i = 0; is_occupied && i < slots; ++i)
    if (!world.run_until_state(i, agent::SlotState::running, 60'000)) std::abort();
  world.run_ms(1000);
  world.bus.reset_count();
  const std::uint32_t from = world.clock.ms;
  world.run_ms(10'000);
  return static_cast<double>(world.bus.bus_bytes()) * 1000 / (world.clock.ms - from);
}

// From the plug of the last board to its driver, in ms, averaged over moments of the polling round.
// Its package comes from its EEPROM.
double plug_to_loaded(unsigned slots, bool others_are_occupied) {
  constexpr unsigned kRounds = 20;
  Timed world(slots);
  const unsigned last = slots - 1;
  // Of another kind, so that the last one's driver is its own.
  for (unsigned i = 0; others_are_occupied && i < last; ++i)
    world.plug_part(i,
                    part_of(BoardKind::hexpansion_wide, {.serial = static_cast<std::uint8_t>(i)}));
  for (unsigned i = 0; others_are_occupied && i < last; ++i)
    if (!world.run_until_state(i, agent::SlotState::running, 60'000)) std::abort();
  const BuiltPackage package =
      build_package(driver_manifest(kThermoId, 2), Random(9).bytes(4096), {publisher()}, 77);
  world.server.decide(kThermoId, {.package = &package});
  double sum = 0;
  for (unsigned round = 0; round < kRounds; ++round) {
    world.run_ms(1000 + round * 5);
    world.plug_part(last, part_of(BoardKind::hat_wide, {.package = package.bytes, .serial = 99}));
    const std::uint32_t from = world.clock.ms;
    if (!world.run_until_state(last, agent::SlotState::running, 60'000)) std::abort();
    sum += world.clock.ms - from;
    world.pull(last);
  }
  return sum / kRounds;
}

int run() {
  bool is_good = true;
  std::printf("polling, bytes per second on the bus (share of it at 400 kHz):\n");
  for (const unsigned slots : {1U, 8U, 64U})
    for (const bool is_occupied : {false, true}) {
      const double bytes = polling(slots, is_occupied);
      const double share = bytes * kByte_us / 1e6;
      std::printf("  %2u slots, %-8s %6.0f (%4.1f %%)\n", slots, is_occupied ? "occupied" : "empty",
                  bytes, share * 100);
      is_good = is_good && share <= kPollingShareMax;
    }
  const double alone = plug_to_loaded(1, false);
  std::printf("plug to loaded from the EEPROM (4 KiB), bus time: alone %.0f ms", alone);
  for (const bool is_occupied : {false, true}) {
    const double among = plug_to_loaded(64, is_occupied);
    std::printf(", the last of 64 %s %.0f ms (x %.2f)", is_occupied ? "occupied" : "empty", among,
                among / alone);
    is_good = is_good && among <= kSlowdownMax * alone;
  }
  std::printf("\nsizeof(Slot) here: %zu bytes\n", sizeof(agent::Slot));
  if (!is_good) std::printf("FAILED: a bound is missed\n");
  return is_good ? 0 : 1;
}

}  // namespace
}  // namespace mpyd::test

int main() { return mpyd::test::run(); }
