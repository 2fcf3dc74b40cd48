#include "server/services/content_keys.hpp"

#include "protocol/package/key_block.hpp"
#include "protocol/package/package.hpp"

namespace mpyd::server {

Result<void> ContentKeys::with(const Digest& package,
                               const std::function<void(const ContentKey&)>& use) {
  {
    const std::scoped_lock lock(mutex_);
    if (const ContentKey* key = keys_.find(package)) {
      use(*key);
      return {};
    }
  }
  MPYD_TRY_ASSIGN(const auto stored,
                  store_.get([&](const Snapshot& s) { return s.packages().find_head(package); }));
  if (!stored) return fail(Errc::not_found, "there is no such package");
  MPYD_TRY_ASSIGN(const PackageHead head, lift(parse_package_head(stored->bytes), "package head"));
  const auto open_with = [&](const ExchangeKeyPair& server_key) {
    return open_content_key(stored->key_block, *server_key.secret, server_key.public_key,
                            head.manifest_digest, head.manifest.commitment);
  };
  auto key = open_with(*server_keys_.current());
  // In the moment of a rotation the key blocks are a step ahead.
  if (const ServerKeys::Key next = server_keys_.next(); !key && next != nullptr)
    key = open_with(*next);
  if (!key) return fail(Error(key.error()));
  const std::scoped_lock lock(mutex_);
  keys_.put(package, *key);
  crypto::wipe(key->mutable_bytes());
  use(*keys_.find(package));
  return {};
}

}  // namespace mpyd::server
