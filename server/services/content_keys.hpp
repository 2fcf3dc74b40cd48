// Content keys of stored packages, opened with the server's key when first asked for.
#pragma once

#include <functional>
#include <mutex>

#include "server/services/secret_cache.hpp"
#include "server/services/server_keys.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

class ContentKeys {
 public:
  ContentKeys(Store& store, const ServerKeys& server_keys)
      : store_(store), server_keys_(server_keys), keys_(kKeysMax) {}

  // Calls `use` with the content key, which lies in locked memory and is valid during the call.
  // Errors: not_found, no_key (the key block has no entry for this server).
  Result<void> with(const Digest& package, const std::function<void(const ContentKey&)>& use);

 private:
  static constexpr std::size_t kKeysMax = 256;

  Store& store_;
  const ServerKeys& server_keys_;
  std::mutex mutex_;
  SecretCache<Digest, ContentKey> keys_;
};

}  // namespace mpyd::server
