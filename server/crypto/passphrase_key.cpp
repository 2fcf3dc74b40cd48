#include "server/crypto/passphrase_key.hpp"

#include <sodium.h>

#include "server/crypto/random.hpp"

namespace mpyd::server {

static_assert(kPassphraseSaltBytes == crypto_pwhash_SALTBYTES);

Result<Locked<PassphraseKey>> passphrase_key(Bytes passphrase, Bytes salt) {
  init_crypto();
  if (salt.size() != kPassphraseSaltBytes) return fail(Errc::malformed, "a salt of another size");
  Locked<PassphraseKey> key;
  if (crypto_pwhash(u8(key->mutable_bytes()), PassphraseKey::kSize,
                    reinterpret_cast<const char*>(passphrase.data()), passphrase.size(), u8(salt),
                    crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                    crypto_pwhash_ALG_ARGON2ID13) != 0)
    return fail(Errc::memory, "not enough memory for the passphrase (64 MiB)");
  return key;
}

}  // namespace mpyd::server
