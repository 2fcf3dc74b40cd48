// The fleet's secret keys: they open key blocks on the EEPROMs of boards that were made for this
// fleet. Kept sealed, like content keys.
#pragma once

#include <span>

#include "device-agent/core/cache.hpp"

namespace mpyd::agent {

struct FleetKey {
  std::uint32_t generation = 0;
  SecretKey secret;
};
using FleetKeyList = InlineVector<FleetKey, kFleetKeysMax>;

class FleetKeys {
 public:
  FleetKeys(Store& store, KeyCache& keys) : store_(&store), keys_(&keys) {}

  // Before anything else, and whenever root names another server key: what another one told is
  // forgotten, however new it claims to be. Errors: io.
  Result<void> use_server(const KeyId& server_key);

  // Of the newest kept; 0: none.
  std::uint32_t generation() const;
  // Keeps what the server sent, and nothing newer; beyond kFleetKeysMax the oldest go. A power cut
  // on the way leaves a generation() that makes the server send them again. Errors: io, malformed
  // (generation 0).
  Result<void> save(const FleetKeyList& newest_first);
  // The n-th kept, in any order. Errors: not_found, io, decryption, unsupported.
  Result<void> load(unsigned n, SecretKey& out);

 private:
  Store* store_;
  KeyCache* keys_;
  std::uint64_t server_ = 0;  // its key ID, as a number
};

}  // namespace mpyd::agent
