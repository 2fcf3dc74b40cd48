// protocol/crypto.hpp on libsodium. The only file of protocol/ that knows libsodium.
#include "protocol/crypto.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace mpyd::crypto {
namespace {

static_assert(sizeof(crypto_hash_sha256_state) <= 104);
static_assert(sizeof(crypto_secretstream_xchacha20poly1305_state) <= 56);
static_assert(crypto_secretstream_xchacha20poly1305_ABYTES == kStreamOverhead);
static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == kTagBytes);
static_assert(crypto_box_curve25519xchacha20poly1305_MACBYTES == kTagBytes);

// The states are plain structs; they live in our byte arrays so that no header needs libsodium.
template <class State>
State* as(std::byte* bytes) {
  return reinterpret_cast<State*>(bytes);
}

using HashState = crypto_hash_sha256_state;
using StreamState = crypto_secretstream_xchacha20poly1305_state;

}  // namespace

Sha256::Sha256() { crypto_hash_sha256_init(as<HashState>(state_)); }

void Sha256::update(Bytes bytes) {
  crypto_hash_sha256_update(as<HashState>(state_), u8(bytes), bytes.size());
}

Digest Sha256::finish() {
  Digest out;
  crypto_hash_sha256_final(as<HashState>(state_), u8(out.mutable_bytes()));
  return out;
}

Digest sha256(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(MutableBytes bytes) { sodium_memzero(bytes.data(), bytes.size()); }

bool verify_ed25519(Bytes message, const SignatureBytes& signature, const SigningKey& key) {
  return crypto_sign_ed25519_verify_detached(u8(signature.bytes()), u8(message), message.size(),
                                             u8(key.bytes())) == 0;
}

bool x25519(const SecretKey& secret, const ExchangeKey& point, SharedKey& out) {
  // Returns -1 for an all-zero result.
  return crypto_scalarmult_curve25519(u8(out.mutable_bytes()), u8(secret.bytes()),
                                      u8(point.bytes())) == 0;
}

ExchangeKey x25519_public(const SecretKey& secret) {
  ExchangeKey base;
  base.data[0] = std::byte{9};
  SharedKey product;
  ExchangeKey out;
  if (x25519(secret, base, product)) copy_bytes(product.bytes(), out.mutable_bytes());
  return out;
}

void aead_seal(const SharedKey& key, const Nonce& nonce, Bytes ad, Bytes plain,
               MutableBytes sealed) {
  crypto_aead_xchacha20poly1305_ietf_encrypt(u8(sealed), nullptr, u8(plain), plain.size(), u8(ad),
                                             ad.size(), nullptr, u8(nonce.bytes()),
                                             u8(key.bytes()));
}

bool aead_open(const SharedKey& key, const Nonce& nonce, Bytes ad, Bytes sealed,
               MutableBytes plain) {
  if (sealed.size() != plain.size() + kTagBytes) return false;
  return crypto_aead_xchacha20poly1305_ietf_decrypt(u8(plain), nullptr, nullptr, u8(sealed),
                                                    sealed.size(), u8(ad), ad.size(),
                                                    u8(nonce.bytes()), u8(key.bytes())) == 0;
}

bool box_key(const SecretKey& secret, const ExchangeKey& peer, SharedKey& out) {
  return crypto_box_curve25519xchacha20poly1305_beforenm(u8(out.mutable_bytes()), u8(peer.bytes()),
                                                         u8(secret.bytes())) == 0;
}

void box_seal(const SharedKey& key, const Nonce& nonce, Bytes plain, MutableBytes sealed) {
  crypto_secretbox_xchacha20poly1305_easy(u8(sealed), u8(plain), plain.size(), u8(nonce.bytes()),
                                          u8(key.bytes()));
}

bool box_open(const SharedKey& key, const Nonce& nonce, Bytes sealed, MutableBytes plain) {
  if (sealed.size() != plain.size() + kTagBytes) return false;
  return crypto_secretbox_xchacha20poly1305_open_easy(u8(plain), u8(sealed), sealed.size(),
                                                      u8(nonce.bytes()), u8(key.bytes())) == 0;
}

StreamPull::StreamPull(const ContentKey& key, const StreamHeader& header) {
  crypto_secretstream_xchacha20poly1305_init_pull(as<StreamState>(state_), u8(header.bytes()),
                                                  u8(key.bytes()));
}

bool StreamPull::pull(Bytes sealed, MutableBytes plain, bool& last) {
  if (sealed.size() != plain.size() + kStreamOverhead) return false;
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(as<StreamState>(state_), u8(plain), nullptr, &tag,
                                                 u8(sealed), sealed.size(), nullptr, 0) != 0)
    return false;
  last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
  return true;
}

void StreamPull::wipe() { crypto::wipe(state_); }

// init_push is init_pull after choosing a random header; the caller chose it.
StreamPush::StreamPush(const ContentKey& key, const StreamHeader& header) {
  crypto_secretstream_xchacha20poly1305_init_pull(as<StreamState>(state_), u8(header.bytes()),
                                                  u8(key.bytes()));
}

void StreamPush::push(Bytes plain, bool last, MutableBytes sealed) {
  crypto_secretstream_xchacha20poly1305_push(
      as<StreamState>(state_), u8(sealed), nullptr, u8(plain), plain.size(), nullptr, 0,
      last ? static_cast<unsigned char>(crypto_secretstream_xchacha20poly1305_TAG_FINAL) : 0);
}

}  // namespace mpyd::crypto
