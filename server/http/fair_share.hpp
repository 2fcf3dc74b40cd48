// How many slow requests one token has at work: one operator's script must not keep all others out.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "protocol/digest.hpp"

namespace mpyd::server::http {

// Half of what the pool takes at once (session.cpp).
inline constexpr unsigned kSlowPerTokenMax = 16;

// Threads: any.
class FairShare {
 public:
  // Null: the token has its share at work. It is free again when the last copy is gone, which
  // happens before this does.
  std::shared_ptr<void> take(const Digest& token) {
    const std::scoped_lock lock(mutex_);
    unsigned& running = running_[token];
    if (running >= kSlowPerTokenMax) return nullptr;
    ++running;
    return {this, [token](void* share) { static_cast<FairShare*>(share)->give_back(token); }};
  }

 private:
  void give_back(const Digest& token) {
    const std::scoped_lock lock(mutex_);
    const auto at = running_.find(token);
    if (--at->second == 0) running_.erase(at);
  }

  std::mutex mutex_;
  std::map<Digest, unsigned> running_;
};

}  // namespace mpyd::server::http
