// POST /v1/device/sync, without the HTTP: bytes in, bytes out. protocol/sync/box.hpp has the
// outside of both.
#pragma once

#include <mutex>
#include <string>

#include "protocol/sync/box.hpp"
#include "server/services/content_keys.hpp"
#include "server/services/fleet_blocks.hpp"
#include "server/services/fleet_keys.hpp"
#include "server/services/resolve_service.hpp"
#include "server/services/secret_cache.hpp"
#include "server/services/server_keys.hpp"
#include "server/services/server_place.hpp"
#include "server/services/sync_inventory.hpp"
#include "server/services/trust_service.hpp"

namespace mpyd::server {

class SyncAnswer;

struct SyncResult {
  ByteVector answer;
  std::string device_id;  // for the log; empty with key_retired
  sync::Status status = sync::Status::ok;
};

class SyncService {
 public:
  SyncService(Store& store, const TrustService& trust, ResolveService& resolve,
              const ServerKeys& server_keys, FleetKeys& fleet_keys, const ServerPlace& place,
              const Clock& clock);

  // Opens `request` in place and wipes it. Every answer is sealed to the device, except the one to
  // a key this server does not have, which changes nothing and says so in clear.
  // Errors (there is nobody to seal an answer to): truncated, malformed, unsupported, decryption,
  // replayed; io, timeout.
  Result<SyncResult> handle(MutableBytes request);

 private:
  static constexpr std::size_t kSharedKeysMax = 4096;

  void follow_server_key();
  Result<void> find_shared_key(const ExchangeKey& device_key);
  Result<void> answer_to(const ExchangeKey& device_key, Bytes message, SyncAnswer& answer);
  Result<void> make_first_fleet_key(const SyncRequest& request, const std::string& device_id);
  Result<SyncResult> seal(const ExchangeKey& device_key, const SyncAnswer& answer);

  Store& store_;
  const TrustService& trust_;
  ResolveService& resolve_;
  const ServerKeys& server_keys_;
  FleetKeys& fleet_keys_;
  const ServerPlace& place_;
  const Clock& clock_;
  ContentKeys content_keys_;
  FleetBlocks fleet_blocks_;
  std::mutex mutex_;            // one exchange at a time: work_ and the keys are shared
  ServerKeys::Key server_key_;  // the one that shared_keys_ are of
  KeyId server_key_id_;
  SecretCache<ExchangeKey, SharedKey> shared_keys_;
  Locked<SharedKey> key_;  // of the exchange at hand
  RefusedStrangers strangers_;
  LockedBytes work_;  // where answers are put together and sealed
};

}  // namespace mpyd::server
