#include "protocol/package/key_block.hpp"

namespace mpyd {
namespace {

constexpr std::string_view kCommitPrefix = "mpyd commit v1";
constexpr std::string_view kKeyPrefix = "mpyd key v1";

// The key of one entry; false if the exchange ended in zero (a small-order point).
bool entry_key(const SecretKey& secret, const ExchangeKey& peer, const ExchangeKey& epk,
               const ExchangeKey& recipient, SharedKey& out) {
  SharedKey product;
  if (!crypto::x25519(secret, peer, product)) return false;
  crypto::Sha256 hash;
  hash.update(as_bytes(kKeyPrefix));
  hash.update(product.bytes());
  hash.update(epk.bytes());
  hash.update(recipient.bytes());
  Digest key = hash.finish();
  copy_bytes(key.bytes(), out.mutable_bytes());
  crypto::wipe(key.mutable_bytes());
  crypto::wipe(product.mutable_bytes());
  return true;
}

struct AdditionalData {
  std::array<std::byte, Digest::kSize + KeyId::kSize> bytes;
  AdditionalData(const Digest& manifest_digest, const KeyId& recipient) {
    copy_bytes(manifest_digest.bytes(), bytes);
    copy_bytes(recipient.bytes(), MutableBytes(bytes).subspan(Digest::kSize));
  }
};

Bytes entry_at(Bytes block, std::size_t index) {
  return block.subspan(kKeyBlockFixedBytes + index * kKeyEntryBytes, kKeyEntryBytes);
}

}  // namespace

KeyId key_id(Bytes public_key) {
  const Digest digest = crypto::sha256(public_key);
  KeyId id;
  copy_bytes(digest.bytes().first(KeyId::kSize), id.mutable_bytes());
  return id;
}

Digest commitment_of(const ContentKey& key) {
  crypto::Sha256 hash;
  hash.update(as_bytes(kCommitPrefix));
  hash.update(key.bytes());
  return hash.finish();
}

Result<void> seal_content_key(const ContentKey& key, const ExchangeKey& recipient,
                              const SecretKey& ephemeral, const Digest& manifest_digest,
                              MutableBytes out) {
  const ExchangeKey epk = crypto::x25519_public(ephemeral);
  const KeyId id = key_id(recipient.bytes());
  SharedKey seal_key;
  if (!entry_key(ephemeral, recipient, epk, recipient, seal_key)) return fail(Errc::malformed);
  const AdditionalData ad(manifest_digest, id);
  copy_bytes(id.bytes(), out);
  copy_bytes(epk.bytes(), out.subspan(KeyId::kSize));
  crypto::aead_seal(seal_key, Nonce{}, ad.bytes, key.bytes(),
                    out.subspan(KeyId::kSize + ExchangeKey::kSize));
  crypto::wipe(seal_key.mutable_bytes());
  return {};
}

Result<std::size_t> format_key_block(Bytes entries, MutableBytes out) {
  const std::size_t count = entries.size() / kKeyEntryBytes;
  const std::size_t size = kKeyBlockFixedBytes + entries.size();
  if (entries.size() % kKeyEntryBytes != 0) return fail(Errc::malformed);
  if (count > kKeyBlockEntriesMax || size > out.size()) return fail(Errc::limit);
  format_record_header(
      {RecordKind::key_block, static_cast<std::uint32_t>(size - kRecordHeaderBytes)}, out);
  store_u8(out, kRecordHeaderBytes, kFormat);
  store_u8(out, kRecordHeaderBytes + 1, static_cast<std::uint32_t>(count));
  copy_bytes(entries, out.subspan(kKeyBlockFixedBytes));
  return size;
}

Result<std::size_t> key_block_bytes(Bytes start) {
  MPYD_TRY_ASSIGN(const RecordHeader record, parse_record_header(start));
  if (record.kind != RecordKind::key_block) return fail(Errc::bad_magic);
  if (start.size() < kKeyBlockFixedBytes) return fail(Errc::truncated);
  if (!is_known_format(load_u8(start, kRecordHeaderBytes))) return fail(Errc::unsupported);
  const std::uint32_t count = load_u8(start, kRecordHeaderBytes + 1);
  if (count > kKeyBlockEntriesMax) return fail(Errc::limit);
  const std::size_t size = kKeyBlockFixedBytes + count * kKeyEntryBytes;
  if (record.length != size - kRecordHeaderBytes) return fail(Errc::malformed);
  return size;
}

bool has_recipient(Bytes block, const KeyId& recipient) {
  const auto size = key_block_bytes(block);
  if (!size || block.size() < *size) return false;
  const std::size_t count = (*size - kKeyBlockFixedBytes) / kKeyEntryBytes;
  for (std::size_t i = 0; i < count; ++i)
    if (same_bytes(entry_at(block, i).first(KeyId::kSize), recipient.bytes())) return true;
  return false;
}

Result<ContentKey> open_content_key(Bytes block, const SecretKey& secret,
                                    const ExchangeKey& recipient, const Digest& manifest_digest,
                                    const Digest& commitment) {
  MPYD_TRY_ASSIGN(const std::size_t size, key_block_bytes(block));
  if (block.size() < size) return fail(Errc::truncated);
  const KeyId id = key_id(recipient.bytes());
  const AdditionalData ad(manifest_digest, id);
  const std::size_t count = (size - kKeyBlockFixedBytes) / kKeyEntryBytes;
  std::size_t i = 0;
  while (i < count && !same_bytes(entry_at(block, i).first(KeyId::kSize), id.bytes())) ++i;
  if (i == count) return fail(Errc::no_key);

  const Bytes entry = entry_at(block, i);
  ExchangeKey epk;
  copy_bytes(entry.subspan(KeyId::kSize, ExchangeKey::kSize), epk.mutable_bytes());
  SharedKey open_key;
  if (!entry_key(secret, epk, epk, recipient, open_key)) return fail(Errc::no_key);
  ContentKey key;
  const bool opened =
      crypto::aead_open(open_key, Nonce{}, ad.bytes,
                        entry.subspan(KeyId::kSize + ExchangeKey::kSize), key.mutable_bytes());
  crypto::wipe(open_key.mutable_bytes());
  if (opened && commitment_of(key) == commitment) return key;
  crypto::wipe(key.mutable_bytes());
  return fail(Errc::no_key);
}

}  // namespace mpyd
