// The cryptography this protocol uses, and nothing else: one function per primitive.
// Linked from protocol/sodium (libsodium) on both sides; nothing here makes keys or random bytes.
#pragma once

#include <cstdint>

#include "protocol/digest.hpp"

namespace mpyd::crypto {

class Sha256 {
 public:
  Sha256();
  void update(Bytes bytes);
  // Once; afterwards only destruction or assignment.
  Digest finish();

 private:
  alignas(8) std::byte state_[104];  // crypto_hash_sha256_state
};

Digest sha256(Bytes bytes);

// Constant time for equal sizes.
bool equal(Bytes a, Bytes b);
// Not removed by the optimiser.
void wipe(MutableBytes bytes);

// Ed25519 over exactly `message`.
bool verify_ed25519(Bytes message, const SignatureBytes& signature, const SigningKey& key);

// X25519 by the ladder. False for an all-zero result (a small-order point): never use it.
[[nodiscard]] bool x25519(const SecretKey& secret, const ExchangeKey& point, SharedKey& out);
// Public key = ladder with u = 9; no base-point table.
ExchangeKey x25519_public(const SecretKey& secret);

// XChaCha20-Poly1305 (IETF AEAD). `sealed` is plaintext size + 16. Sizes must fit: checked, false.
inline constexpr std::size_t kTagBytes = 16;
void aead_seal(const SharedKey& key, const Nonce& nonce, Bytes ad, Bytes plain,
               MutableBytes sealed);
[[nodiscard]] bool aead_open(const SharedKey& key, const Nonce& nonce, Bytes ad, Bytes sealed,
                             MutableBytes plain);

// crypto_box / secretbox with XChaCha20-Poly1305: tag (16) || ciphertext. In place is allowed when
// `sealed` starts 16 bytes before `plain` (libsodium moves the bytes).
// `box_key` is the precomputed key of both sides; false for an all-zero X25519 result.
[[nodiscard]] bool box_key(const SecretKey& secret, const ExchangeKey& peer, SharedKey& out);
void box_seal(const SharedKey& key, const Nonce& nonce, Bytes plain, MutableBytes sealed);
[[nodiscard]] bool box_open(const SharedKey& key, const Nonce& nonce, Bytes sealed,
                            MutableBytes plain);

// libsodium's secretstream, reading side. A chunk is plaintext + 17 bytes.
inline constexpr std::size_t kStreamOverhead = 17;
class StreamPull {
 public:
  StreamPull() = default;
  StreamPull(const ContentKey& key, const StreamHeader& header);
  // Decrypts; `plain` is sealed.size() - 17 and may be the same memory as `sealed` + 1. `last` says
  // whether the chunk carried TAG_FINAL. False: nothing of the chunk may be used.
  [[nodiscard]] bool pull(Bytes sealed, MutableBytes plain, bool& last);
  void wipe();

 private:
  alignas(8) std::byte state_[56]{};  // crypto_secretstream_xchacha20poly1305_state
};

// Writing side: publishers only. The caller brings random bytes: see make_stream_header.
class StreamPush {
 public:
  StreamPush(const ContentKey& key, const StreamHeader& header);
  ~StreamPush() { wipe(state_); }
  StreamPush(const StreamPush&) = delete;
  StreamPush& operator=(const StreamPush&) = delete;
  void push(Bytes plain, bool last, MutableBytes sealed);

 private:
  alignas(8) std::byte state_[56]{};
};

}  // namespace mpyd::crypto
