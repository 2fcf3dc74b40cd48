// A key from a passphrase: Argon2id, libsodium's interactive limits (64 MiB of memory). Salts are
// 16 random bytes, stored beside what the key seals.
#pragma once

#include "protocol/digest.hpp"
#include "server/crypto/locked.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

inline constexpr std::size_t kPassphraseSaltBytes = 16;  // crypto_pwhash_SALTBYTES

using PassphraseKey = FixedBytes<struct PassphraseKeyTag, 32>;

// Errors: memory.
Result<Locked<PassphraseKey>> passphrase_key(Bytes passphrase, Bytes salt);

}  // namespace mpyd::server
