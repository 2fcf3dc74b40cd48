// Key pairs in memory; key_file.cpp stores them.
#include <sodium.h>

#include "protocol/crypto.hpp"
#include "server/crypto/key_file.hpp"
#include "server/crypto/random.hpp"

namespace mpyd::server {

std::string_view role_name(KeyRole role) {
  switch (role) {
    case KeyRole::root:
      return "root";
    case KeyRole::targets:
      return "targets";
    case KeyRole::publisher:
      return "publisher";
    case KeyRole::server:
      return "server";
    case KeyRole::fleet:
      return "fleet";
  }
  return "unknown";
}

Result<KeyRole> parse_role(std::string_view name) {
  for (KeyRole role :
       {KeyRole::root, KeyRole::targets, KeyRole::publisher, KeyRole::server, KeyRole::fleet})
    if (role_name(role) == name) return role;
  return fail(Errc::invalid_argument, "no such role: " + std::string(name) +
                                          "; roles are root, targets, publisher, server and fleet");
}

ExchangeKeyPair make_exchange_key() {
  ExchangeKeyPair pair;
  random_bytes(pair.secret->mutable_bytes());
  pair.public_key = crypto::x25519_public(*pair.secret);
  return pair;
}

ExchangeKeyPair exchange_key_from(const SecretKey& secret) {
  ExchangeKeyPair pair;
  *pair.secret = secret;
  pair.public_key = crypto::x25519_public(*pair.secret);
  return pair;
}

SigningKeyPair make_signing_key(KeyRole role) {
  init_crypto();
  SigningKeyPair pair;
  pair.role = role;
  crypto_sign_keypair(u8(pair.public_key.mutable_bytes()), u8(pair.secret->mutable_bytes()));
  return pair;
}

SignatureBytes SigningKeyPair::sign(Bytes message) const {
  SignatureBytes signature;
  crypto_sign_detached(u8(signature.mutable_bytes()), nullptr, u8(message), message.size(),
                       u8(secret->bytes()));
  return signature;
}

}  // namespace mpyd::server
