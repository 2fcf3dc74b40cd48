// Content keys of stored packages, opened with the server's key when first asked for.
#pragma once

#include <functional>
#include <mutex>

#include "server/crypto/key_file.hpp"
#include "server/services/secret_cache.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

class ContentKeys {
 public:
  ContentKeys(Store& store, const ExchangeKeyPair& server_key)
      : store_(store), server_key_(server_key), keys_(kKeysMax) {}

  // Calls `use` with the content key, which lies in locked memory and is valid during the call.
  // Errors: not_found, no_key (the key block has no entry for this server).
  Result<void> with(const Digest& package, const std::function<void(const ContentKey&)>& use);

 private:
  static constexpr std::size_t kKeysMax = 256;

  Store& store_;
  const ExchangeKeyPair& server_key_;
  std::mutex mutex_;
  SecretCache<Digest, ContentKey> keys_;
};

}  // namespace mpyd::server
