// The fleet's keys: X25519 pairs whose secret every enrolled device gets, so that boards carry
// packages which the whole fleet can open without a network.
//
//   at rest = nonce (24) | secretbox of the secret key under
//             SHA-256("mpyd fleet v1" || server secret key)
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "server/services/server_keys.hpp"
#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

// Threads: any.
class FleetKeys {
 public:
  FleetKeys(Store& store, const ServerKeys& server_keys, const Clock& clock)
      : store_(store), server_keys_(server_keys), clock_(clock) {}

  // Opens what is stored into locked memory; call before anything else.
  // Errors: decryption (not sealed to this server's key), malformed.
  Result<void> load();

  // Does all that load() takes open with this server key? Errors: those of load().
  static Result<void> check(const std::vector<FleetKeyRow>& rows, const ExchangeKeyPair& server);

  struct Key {
    std::uint32_t generation = 0;
    ExchangeKey public_key;
    std::uint64_t created_unix_s = 0;
  };
  // Newest first, at most kFleetKeysMax: as many as a device keeps.
  std::vector<Key> list() const;
  std::uint32_t newest() const;  // generation; 0: there is none

  struct Made {
    Key key;
    bool existed = false;
  };
  // Makes the key of `generation`, the one after the newest; asking for the newest again is a
  // success. Errors: conflict (another generation is due, or the server's key is changing).
  Result<Made> make(std::uint32_t generation, const std::string& actor);

  // Secrets, newest first; each lies in locked memory and is valid during the call.
  using Use = std::function<void(std::uint32_t generation, const SecretKey& secret)>;
  void for_each(const Use& use) const;

  // Seals all that is stored to another server key, in the transaction that changes it.
  // Errors: decryption, malformed.
  static Result<void> reseal(Transaction& tx, const ExchangeKeyPair& from,
                             const ExchangeKeyPair& to);

 private:
  struct Held {
    Key key;
    Locked<SecretKey> secret;
  };

  Store& store_;
  const ServerKeys& server_keys_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<Held> held_;  // newest first
};

}  // namespace mpyd::server
