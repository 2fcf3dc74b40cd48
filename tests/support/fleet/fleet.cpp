#include "tests/support/fleet/fleet.hpp"

#include <sys/epoll.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <stdexcept>

namespace mpyd::test {
namespace {

// Between two looks at the sockets a motherboard gets so many polls.
constexpr int kPollsPerTurn = 64;

std::uint32_t now_ms() { return SystemClock().now_ms(); }

}  // namespace

Fleet::Fleet(Buffer identity, std::vector<Buffer> boards, const Abi& abi)
    : identity_(std::move(identity)),
      boards_(std::move(boards)),
      abi_(abi),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::runtime_error("epoll_create1");
}

Fleet::~Fleet() {
  motherboards_.clear();
  ::close(epoll_);
}

Result<void> Fleet::add(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    motherboards_.push_back(std::make_unique<Motherboard>(
        Motherboard::Setup{.identity = identity_,
                           .boards = boards_,
                           .abi = abi_,
                           .epoll = epoll_,
                           .token = static_cast<std::uint32_t>(motherboards_.size())}));
    due_ms_.push_back(now_ms());
    MPYD_TRY(motherboards_.back()->boot());
  }
  return {};
}

Result<void> Fleet::boot_all() {
  for (std::size_t i = 0; i < motherboards_.size(); ++i) {
    MPYD_TRY(motherboards_[i]->boot());
    due_ms_[i] = now_ms();
  }
  return {};
}

void Fleet::wait_for_sockets(std::uint32_t wait_ms) {
  std::array<epoll_event, 256> events;
  const int count =
      epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), static_cast<int>(wait_ms));
  for (int i = 0; i < count; ++i) due_ms_[events[static_cast<std::size_t>(i)].data.u32] = now_ms();
}

bool Fleet::run_until_settled(std::uint32_t timeout_ms) {
  const std::uint32_t from = now_ms();
  while (true) {
    bool all_settled = true;
    std::int32_t wait = 50;
    for (std::size_t i = 0; i < motherboards_.size(); ++i) {
      Motherboard& motherboard = *motherboards_[i];
      if (static_cast<std::int32_t>(due_ms_[i] - now_ms()) <= 0) {
        std::uint32_t rest = 0;
        for (int n = 0; n < kPollsPerTurn && rest == 0; ++n) rest = motherboard.poll();
        due_ms_[i] = now_ms() + rest;
      }
      wait = std::min(wait, static_cast<std::int32_t>(due_ms_[i] - now_ms()));
      all_settled = all_settled && motherboard.is_settled();
    }
    if (all_settled) return true;
    if (now_ms() - from > timeout_ms) return false;
    wait_for_sockets(static_cast<std::uint32_t>(std::max(wait, 0)));
  }
}

}  // namespace mpyd::test
