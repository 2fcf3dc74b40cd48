// The agent's bus over simulated ones: each slot a bus of its own, driven bit by bit.
#pragma once

#include <memory>
#include <vector>

#include "device-agent/core/ports.hpp"
#include "tests/support/i2c/bit_bang.hpp"
#include "tests/support/i2c/bus.hpp"

namespace mpyd::test::i2c {

class AgentBus final : public agent::I2cBus {
 public:
  explicit AgentBus(unsigned slots, std::uint64_t half_period_ns = 5000) {
    for (unsigned i = 0; i < slots; ++i)
      channels_.push_back(std::make_unique<Channel>(half_period_ns));
  }
  Bus& bus(unsigned slot) { return channels_[slot]->bus; }
  // What a presence line would say; unknown until set.
  void set_presence(unsigned slot, agent::Presence presence) {
    channels_[slot]->presence = presence;
  }
  // All slots'.
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const auto& channel : channels_) sum += channel->bus.bytes();
    return sum;
  }

  Result<void> write_read(unsigned slot, std::uint8_t address, Bytes out,
                          MutableBytes in) override {
    return channels_[slot]->master.write_read(address, out, in);
  }
  agent::Presence presence(unsigned slot) override { return channels_[slot]->presence; }
  Result<void> recover(unsigned slot) override { return channels_[slot]->master.recover(); }

 private:
  struct Channel {
    explicit Channel(std::uint64_t half_period_ns) : bus(half_period_ns) {}
    Bus bus;
    BitBang master{bus};
    agent::Presence presence = agent::Presence::unknown;
  };
  std::vector<std::unique_ptr<Channel>> channels_;
};

}  // namespace mpyd::test::i2c
