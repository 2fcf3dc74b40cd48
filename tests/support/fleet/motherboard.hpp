// One motherboard of a fleet: the real agent core, its own key, storage and boards in memory, a
// real connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device-agent/core/agent.hpp"
#include "tests/support/agent/fake_bus.hpp"
#include "tests/support/agent/fake_loader.hpp"
#include "tests/support/agent/fake_store.hpp"
#include "tests/support/fleet/socket_transport.hpp"

namespace mpyd::test {

class SystemClock final : public agent::Clock {
 public:
  std::uint32_t now_ms() override;
  std::uint64_t unix_s() override { return 0; }  // most motherboards have no clock
  void feed_watchdog() override {}
};

class SystemEntropy final : public agent::Entropy {
 public:
  Result<void> fill(MutableBytes out) override;
};

// What became of a motherboard since it started.
struct Fate {
  std::size_t synced = 0;
  std::size_t loaded = 0;
  std::size_t refused = 0;
  Errc last_refusal{};
  Errc offline{};  // of the last failed exchange since the last good one; 0: none
  std::uint32_t started_ms = 0;
  std::uint32_t synced_ms = 0;   // first sync, since the start
  std::uint32_t settled_ms = 0;  // last board decided, since the start
};

class Motherboard final : private agent::Listener {
 public:
  struct Setup {
    Bytes identity;                  // outlives the motherboard
    std::span<const Buffer> boards;  // EEPROM images, one per slot
    Abi abi;
    int epoll = -1;
    std::uint32_t token = 0;
  };
  explicit Motherboard(const Setup& setup);

  // A (re)start: RAM is lost, the storage stays. Errors: those of Agent::start.
  Result<void> boot();
  std::uint32_t poll() { return agent_->poll(); }
  void unplug() { transport_.close(); }

  // Has it heard from the server, and has every board its answer? Or was it turned away?
  bool is_settled() const;
  std::size_t running() const;
  const Fate& fate() const { return fate_; }
  std::size_t connections() const { return transport_.connections(); }
  // As the server calls it; empty before the first start of a motherboard that makes its own key.
  std::string id();

 private:
  void on_event(const agent::Event& event) override;

  Setup setup_;
  SystemClock clock_;
  SystemEntropy entropy_;
  FakeBus bus_;
  FakeStore store_;
  FakeLoader loader_;
  SocketTransport transport_;
  std::vector<agent::Slot> slots_;
  Buffer work_;
  Buffer message_;
  std::unique_ptr<agent::Agent> agent_;
  Fate fate_;
};

}  // namespace mpyd::test
