// Many motherboards in one process and one thread, each at its own pace, against a real daemon.
#pragma once

#include <memory>
#include <vector>

#include "tests/support/fleet/motherboard.hpp"

namespace mpyd::test {

class Fleet {
 public:
  Fleet(Buffer identity, std::vector<Buffer> boards, const Abi& abi);
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;
  ~Fleet();

  // New ones, started. Errors: those of Agent::start.
  Result<void> add(std::size_t count);
  // Restarts all of them at once.
  Result<void> boot_all();
  // Runs until every motherboard is settled; false if that takes longer.
  bool run_until_settled(std::uint32_t timeout_ms);

  std::span<const std::unique_ptr<Motherboard>> motherboards() const { return motherboards_; }

 private:
  void wait_for_sockets(std::uint32_t wait_ms);

  Buffer identity_;
  std::vector<Buffer> boards_;
  Abi abi_;
  int epoll_;
  std::vector<std::unique_ptr<Motherboard>> motherboards_;
  std::vector<std::uint32_t> due_ms_;  // when each wants to be polled again
};

}  // namespace mpyd::test
