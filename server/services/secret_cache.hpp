// A bounded map from public values to small secrets; the secrets lie in locked memory only.
#pragma once

#include <map>
#include <vector>

#include "protocol/crypto.hpp"
#include "server/crypto/locked.hpp"

namespace mpyd::server {

// The oldest entry makes room for a new one. Not for several threads at once.
template <class Key, class Secret>
class SecretCache {
 public:
  explicit SecretCache(std::size_t capacity)
      : secrets_(capacity * Secret::kSize), owners_(capacity) {}

  // Null if it is not there. Valid until the next put().
  const Secret* find(const Key& key) const {
    const auto found = slots_.find(key);
    return found == slots_.end() ? nullptr : at(found->second);
  }

  void put(const Key& key, const Secret& secret) {
    if (const auto found = slots_.find(key); found != slots_.end()) {
      write(found->second, secret);
      return;
    }
    if (used_ == owners_.size())
      slots_.erase(owners_[next_]);
    else
      ++used_;
    write(next_, secret);
    owners_[next_] = key;
    slots_.emplace(key, next_);
    next_ = (next_ + 1) % owners_.size();
  }

  // Forgets all of them.
  void clear() {
    crypto::wipe(secrets_.span());
    slots_.clear();
    used_ = 0;
    next_ = 0;
  }

 private:
  const Secret* at(std::size_t slot) const {
    return reinterpret_cast<const Secret*>(secrets_.span().data() + slot * Secret::kSize);
  }
  void write(std::size_t slot, const Secret& secret) {
    copy_bytes(secret.bytes(), secrets_.span().subspan(slot * Secret::kSize, Secret::kSize));
  }

  LockedBytes secrets_;
  std::vector<Key> owners_;  // of each slot
  std::map<Key, std::size_t> slots_;
  std::size_t used_ = 0;
  std::size_t next_ = 0;
};

}  // namespace mpyd::server
