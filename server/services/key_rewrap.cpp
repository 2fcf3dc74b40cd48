#include "server/services/key_rewrap.hpp"

#include "protocol/package/key_block.hpp"
#include "protocol/package/package.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kBlocksAtOnce = 256;

}  // namespace

Result<bool> rewrap_key_block(MutableBytes block, Bytes package_head, const ExchangeKeyPair& from,
                              const ExchangeKeyPair& to) {
  const KeyId old_id = key_id(from.public_key.bytes());
  if (!has_recipient(block, old_id)) return false;
  MPYD_TRY_ASSIGN(const PackageHead head, lift(parse_package_head(package_head), "package head"));
  Locked<ContentKey> content_key;
  {
    auto opened = open_content_key(block, *from.secret, from.public_key, head.manifest_digest,
                                   head.manifest.commitment);
    if (!opened) return fail(Error(opened.error(), "a key block does not open"));
    *content_key = *opened;
    crypto::wipe(opened->mutable_bytes());
  }
  for (std::size_t at = kKeyBlockFixedBytes; at + kKeyEntryBytes <= block.size();
       at += kKeyEntryBytes) {
    const MutableBytes entry = block.subspan(at, kKeyEntryBytes);
    if (!same_bytes(entry.first(KeyId::kSize), old_id.bytes())) continue;
    const ExchangeKeyPair ephemeral = make_exchange_key();
    MPYD_TRY(lift(seal_content_key(*content_key, to.public_key, *ephemeral.secret,
                                   head.manifest_digest, entry),
                  "sealing a content key"));
  }
  return true;
}

Result<bool> any_key_block_names(const PackageStore& packages, const ExchangeKey& key) {
  const KeyId id = key_id(key.bytes());
  Digest last;
  while (true) {
    MPYD_TRY_ASSIGN(const auto blocks, packages.key_blocks(last, kBlocksAtOnce));
    if (blocks.empty()) return false;
    for (const PackageStore::KeyBlock& each : blocks)
      if (has_recipient(each.key_block, id)) return true;
    last = blocks.back().package;
  }
}

Result<Rewrapped> rewrap_key_blocks(Transaction& tx, const ExchangeKeyPair& from,
                                    const ExchangeKeyPair& to, const RewrapProgress& progress) {
  Rewrapped out;
  MPYD_TRY_ASSIGN(const std::uint64_t total, tx.packages().count_key_blocks());
  std::uint64_t done = 0;
  Digest last;
  while (true) {
    MPYD_TRY_ASSIGN(auto blocks, tx.packages().key_blocks(last, kBlocksAtOnce));
    if (blocks.empty()) return out;
    for (PackageStore::KeyBlock& each : blocks) {
      const auto changed = rewrap_key_block(each.key_block, each.head, from, to);
      if (!changed) {
        ++out.damaged;
      } else if (*changed) {
        ++out.changed;
        MPYD_TRY(tx.packages().set_key_block(each.package, each.key_block));
      }
    }
    last = blocks.back().package;
    done += blocks.size();
    if (progress) progress(done, total);
  }
}

}  // namespace mpyd::server
