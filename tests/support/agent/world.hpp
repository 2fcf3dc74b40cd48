// One motherboard, its server, its boards and everything between them, ready to run.
#pragma once

#include <functional>
#include <memory>

#include "device-agent/core/agent.hpp"
#include "mpyd/v1/identity.pb.h"
#include "tests/support/agent/fake_bus.hpp"
#include "tests/support/agent/fake_loader.hpp"
#include "tests/support/agent/fake_platform.hpp"
#include "tests/support/agent/fake_store.hpp"
#include "tests/support/agent/server.hpp"

namespace mpyd::test {

inline constexpr const char* kThermoId = "hat:Meadow%20Instruments:0042";
inline constexpr const char* kRelayId = "hat:Meadow%20Instruments:0043";

// The manifest of the drivers below: example_manifest() in small chunks, for `product` and any
// revision. `release` also stands in the version.
Manifest driver_manifest(const char* hardware_id, std::uint32_t release = 1);
// `plain_bytes` of made-up code, signed by publisher().
BuiltPackage driver_package(const char* hardware_id = kThermoId, std::uint32_t release = 1,
                            std::size_t plain_bytes = 300);
const Signer& publisher();
// An EEPROM image of a Meadow Instruments board.
Buffer board_image(std::uint16_t product_id, Bytes package = {}, std::uint16_t revision = 3,
                   Bytes configuration = {}, Bytes key_block = {});
inline Buffer thermo_image(Bytes package = {}) { return board_image(0x42, package); }

class World {
 public:
  explicit World(unsigned slots = 3, std::size_t message_bytes = agent::kMessageBytesMin);

  FakeClock clock;
  FakeBus bus;
  FakeStore store;
  FakeLoader loader;
  FakeEntropy entropy;
  EventRecorder events;
  ScriptedServer server;
  agent::Config config;
  std::vector<agent::SlotPlace> places;  // one for each slot, or none
  // Changes the identity that the next boot() reads.
  std::function<void(v1::Identity&)> edit_identity;

  agent::Agent& agent() { return *agent_; }
  const agent::Slot& slot(unsigned index) const { return agent_->slots()[index]; }

  bool restores_power = true;  // to the store, when it starts again
  // A (re)start of the motherboard: RAM is lost, the store stays. boot() expects success.
  Result<void> try_boot();
  void boot();
  Buffer identity() const;

  // Polls, moving the clock as poll() asks. Throws if poll() never rests.
  void run_ms(std::uint32_t duration_ms);
  // Until `done`; false if that did not come true in time.
  bool run_until(const std::function<bool()>& done, std::uint32_t timeout_ms = 10'000);
  bool run_until_state(unsigned slot, agent::SlotState state, std::uint32_t timeout_ms = 10'000);
  // Until the server answered once more, and what follows from it.
  bool run_sync(std::uint32_t timeout_ms = 70'000);
  void plug(unsigned slot, Bytes image) { bus.plug(slot, image); }
  // Pulls the board and runs until the agent noticed.
  void pull(unsigned slot);

  // Is `secret` anywhere in what a memory dump of this motherboard would show?
  bool holds(Bytes secret) const;

 private:
  void step();

  std::size_t message_bytes_;
  unsigned slot_count_;
  std::vector<agent::Slot> slots_;
  Buffer work_;
  Buffer message_;
  Buffer agent_memory_;
  struct DestroyOnly {
    void operator()(agent::Agent* agent) const { agent->~Agent(); }
  };
  std::unique_ptr<agent::Agent, DestroyOnly> agent_;
};

}  // namespace mpyd::test
