// Key blocks after a change of the server's key: each entry that was sealed to the old key is
// replaced by one sealed to the new key; other recipients' entries and all packages stay as they
// are.
#pragma once

#include <functional>

#include "server/crypto/key_file.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

struct Rewrapped {
  std::uint64_t changed = 0;
  // Blocks that name the old key and do not open with it: left as they are, for a restored backup.
  std::uint64_t damaged = 0;
};

// `done` of `total`; called now and then.
using RewrapProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

Result<Rewrapped> rewrap_key_blocks(Transaction& tx, const ExchangeKeyPair& from,
                                    const ExchangeKeyPair& to, const RewrapProgress& progress);

// Is anything still sealed to `key`?
Result<bool> any_key_block_names(const PackageStore& packages, const ExchangeKey& key);

// One block, in place. False: it does not name `from`. Errors: those of open_content_key.
Result<bool> rewrap_key_block(MutableBytes block, Bytes package_head, const ExchangeKeyPair& from,
                              const ExchangeKeyPair& to);

}  // namespace mpyd::server
