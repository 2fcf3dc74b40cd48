// The server's key pair, in locked memory. A rotation changes it while the daemon runs, so nobody
// keeps a reference: whoever needs the key asks for the one of the moment.
#pragma once

#include <memory>
#include <mutex>

#include "server/crypto/key_file.hpp"

namespace mpyd::server {

// Threads: any.
class ServerKeys {
 public:
  using Key = std::shared_ptr<const ExchangeKeyPair>;

  explicit ServerKeys(ExchangeKeyPair key);

  // Never null. It stays valid while it is held, also after a change.
  Key current() const;
  // The key that is about to be current: null unless a change is under way. What is stored may be
  // sealed to it already.
  Key next() const;
  // Is `key` current, and will it be? A writer that sealed to `key` asks inside its transaction.
  bool is_staying(const Key& key) const;

  // From here on nothing new is sealed to the current key.
  void begin_change(ExchangeKeyPair next);
  void finish_change();  // after begin_change: the next key is current
  void cancel_change();  // nothing if none is under way

  // All at once.
  void replace(ExchangeKeyPair key);

 private:
  mutable std::mutex mutex_;
  Key current_;
  Key next_;
};

}  // namespace mpyd::server
