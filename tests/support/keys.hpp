// Keys for tests, made from small seeds so that every run has the same ones.
#pragma once

#include <sodium.h>

#include <array>
#include <string_view>

#include "protocol/crypto.hpp"
#include "tests/support/bytes.hpp"

namespace mpyd::test {

struct Signer {
  SigningKey key;
  std::array<unsigned char, crypto_sign_SECRETKEYBYTES> secret{};
};

inline Signer make_signer(std::uint64_t seed) {
  const Buffer bytes = Random(seed + 1000).bytes(crypto_sign_SEEDBYTES);
  Signer out;
  crypto_sign_seed_keypair(u8(out.key.mutable_bytes()), out.secret.data(), u8(Bytes(bytes)));
  return out;
}

inline SignatureBytes sign(const Signer& signer, std::string_view prefix, Bytes body) {
  const Buffer message = concat(as_bytes(prefix), body);
  SignatureBytes out;
  crypto_sign_detached(u8(out.mutable_bytes()), nullptr, u8(Bytes(message)), message.size(),
                       signer.secret.data());
  return out;
}

struct ExchangePair {
  SecretKey secret;
  ExchangeKey key;
};

inline ExchangePair make_exchange_pair(std::uint64_t seed) {
  ExchangePair out;
  out.secret = random_fixed<SecretKey>(seed + 2000);
  out.key = crypto::x25519_public(out.secret);
  return out;
}

// Points of order 1, 2, 4 and 8 on Curve25519, and their non-canonical twins; every one makes
// X25519 end in zero. From https://cr.yp.to/ecdh.html#validate.
inline const std::array<std::string_view, 7>& small_order_exchange_keys() {
  static const std::array<std::string_view, 7> kKeys = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  return kKeys;
}

}  // namespace mpyd::test
