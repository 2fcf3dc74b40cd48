// Sealed content keys that travel beside a package.
//
//   key block = record-header(kind 2) | format u8 | count u8 | entry*
//   entry     = recipient id (8) | epk (32) | XChaCha20-Poly1305(content key) (48)
//     key   = SHA-256("mpyd key v1" || X25519(epk, recipient) || epk || recipient public key)
//     nonce = 0 (the key is fresh: epk is), additional data = SHA-256(manifest) || recipient id
#pragma once

#include <optional>

#include "protocol/crypto.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/limits.hpp"

namespace mpyd {

inline constexpr std::size_t kKeyEntryBytes =
    KeyId::kSize + ExchangeKey::kSize + ContentKey::kSize + crypto::kTagBytes;
inline constexpr std::size_t kKeyBlockFixedBytes = kRecordHeaderBytes + 2;
inline constexpr std::size_t kKeyBlockBytesMax =
    kKeyBlockFixedBytes + kKeyBlockEntriesMax * kKeyEntryBytes;

KeyId key_id(Bytes public_key);

Digest commitment_of(const ContentKey& key);

// Seals `key` for one recipient; `ephemeral` is a fresh secret key, used for this entry only.
// Errors: malformed if the recipient's key is of small order. `out` is kKeyEntryBytes.
Result<void> seal_content_key(const ContentKey& key, const ExchangeKey& recipient,
                              const SecretKey& ephemeral, const Digest& manifest_digest,
                              MutableBytes out);

// Writes a whole key block record around `entries` (count * kKeyEntryBytes).
// Errors: limit, malformed (not whole entries).
Result<std::size_t> format_key_block(Bytes entries, MutableBytes out);

// The whole record's size, told by its first kKeyBlockFixedBytes; the count is bounded here.
// Errors: truncated, bad_magic, malformed, limit, unsupported.
Result<std::size_t> key_block_bytes(Bytes start);

// Does the block hold an entry for this recipient?
bool has_recipient(Bytes block, const KeyId& recipient);

// Opens the first entry that names the recipient, if it fits the commitment. Only the first: a
// hostile block costs its reader at most one public-key operation.
// Errors: as key_block_bytes; no_key if no entry names the recipient, or it does not open or fit.
Result<ContentKey> open_content_key(Bytes block, const SecretKey& secret,
                                    const ExchangeKey& recipient, const Digest& manifest_digest,
                                    const Digest& commitment);

}  // namespace mpyd
