// The primitives: what a session asks of them counts as theirs, and right before each call the same
// call is made once more for nothing, which is what the primitive takes alone.
#include <sodium.h>

#include <array>

#include "ledger.hpp"
#include "session.hpp"

namespace mpyd::bench {
namespace {

constexpr unsigned kBareAfter =
    static_cast<unsigned>(Part::bare_verify) - static_cast<unsigned>(Part::verify);

alignas(8) std::array<unsigned char, 64 * 1024> scratch;

bool is_primitive(Part part) { return part >= Part::verify && part <= Part::bare_open; }

// A primitive out of another one's inside is part of that.
template <class Alone, class Call>
auto counted(Part part, std::size_t bytes, const Alone& alone, const Call& call) {
  if (is_primitive(current_part())) return call();
  if (ledger_is_running() && mode() == Mode::cycles && bytes <= scratch.size()) {
    const Within bare(static_cast<Part>(static_cast<unsigned>(part) + kBareAfter));
    alone();
  }
  const Within within(part);
  return call();
}

}  // namespace
}  // namespace mpyd::bench

using mpyd::bench::counted;
using mpyd::bench::Part;
using mpyd::bench::scratch;
using u8 = unsigned char;
using u64 = unsigned long long;

// REAL(type, name, parameters): declares what the linker calls the function, and the one in its
// place.
#define REAL(type, name, ...)      \
  type __real_##name(__VA_ARGS__); \
  type __wrap_##name(__VA_ARGS__); \
  type __wrap_##name(__VA_ARGS__)

extern "C" {

REAL(int, crypto_sign_ed25519_verify_detached, const u8* signature, const u8* message, u64 n,
     const u8* key) {
  const auto call = [&] {
    return __real_crypto_sign_ed25519_verify_detached(signature, message, n, key);
  };
  return counted(Part::verify, 0, call, call);
}

REAL(int, crypto_scalarmult_curve25519, u8* out, const u8* secret, const u8* point) {
  return counted(
      Part::agree, 0,
      [&] { return __real_crypto_scalarmult_curve25519(scratch.data(), secret, point); },
      [&] { return __real_crypto_scalarmult_curve25519(out, secret, point); });
}

REAL(int, crypto_box_curve25519xchacha20poly1305_beforenm, u8* out, const u8* point,
     const u8* secret) {
  return counted(
      Part::agree, 0,
      [&] {
        return __real_crypto_box_curve25519xchacha20poly1305_beforenm(scratch.data(), point,
                                                                      secret);
      },
      [&] { return __real_crypto_box_curve25519xchacha20poly1305_beforenm(out, point, secret); });
}

REAL(int, crypto_hash_sha256_init, crypto_hash_sha256_state* state) {
  return counted(
      Part::hash, 0,
      [&] {
        return __real_crypto_hash_sha256_init(
            reinterpret_cast<crypto_hash_sha256_state*>(scratch.data()));
      },
      [&] { return __real_crypto_hash_sha256_init(state); });
}

REAL(int, crypto_hash_sha256_update, crypto_hash_sha256_state* state, const u8* bytes, u64 n) {
  crypto_hash_sha256_state copy = *state;
  return counted(
      Part::hash, 0, [&] { return __real_crypto_hash_sha256_update(&copy, bytes, n); },
      [&] { return __real_crypto_hash_sha256_update(state, bytes, n); });
}

REAL(int, crypto_hash_sha256_final, crypto_hash_sha256_state* state, u8* out) {
  crypto_hash_sha256_state copy = *state;
  return counted(
      Part::hash, 0, [&] { return __real_crypto_hash_sha256_final(&copy, scratch.data()); },
      [&] { return __real_crypto_hash_sha256_final(state, out); });
}

REAL(int, crypto_aead_xchacha20poly1305_ietf_encrypt, u8* out, u64* out_n, const u8* in, u64 n,
     const u8* ad, u64 ad_n, const u8* none, const u8* nonce, const u8* key) {
  const auto to = [&](u8* where) {
    return __real_crypto_aead_xchacha20poly1305_ietf_encrypt(where, out_n, in, n, ad, ad_n, none,
                                                             nonce, key);
  };
  return counted(
      Part::open, n + 16, [&] { return to(scratch.data()); }, [&] { return to(out); });
}

REAL(int, crypto_aead_xchacha20poly1305_ietf_decrypt, u8* out, u64* out_n, u8* none, const u8* in,
     u64 n, const u8* ad, u64 ad_n, const u8* nonce, const u8* key) {
  const auto to = [&](u8* where) {
    return __real_crypto_aead_xchacha20poly1305_ietf_decrypt(where, out_n, none, in, n, ad, ad_n,
                                                             nonce, key);
  };
  return counted(
      Part::open, n, [&] { return to(scratch.data()); }, [&] { return to(out); });
}

REAL(int, crypto_secretbox_xchacha20poly1305_easy, u8* out, const u8* in, u64 n, const u8* nonce,
     const u8* key) {
  const auto to = [&](u8* where) {
    return __real_crypto_secretbox_xchacha20poly1305_easy(where, in, n, nonce, key);
  };
  return counted(
      Part::open, n + 16, [&] { return to(scratch.data()); }, [&] { return to(out); });
}

REAL(int, crypto_secretbox_xchacha20poly1305_open_easy, u8* out, const u8* in, u64 n,
     const u8* nonce, const u8* key) {
  const auto to = [&](u8* where) {
    return __real_crypto_secretbox_xchacha20poly1305_open_easy(where, in, n, nonce, key);
  };
  return counted(
      Part::open, n, [&] { return to(scratch.data()); }, [&] { return to(out); });
}

REAL(int, crypto_secretstream_xchacha20poly1305_init_pull,
     crypto_secretstream_xchacha20poly1305_state* state, const u8* header, const u8* key) {
  crypto_secretstream_xchacha20poly1305_state copy;
  return counted(
      Part::open, 0,
      [&] { return __real_crypto_secretstream_xchacha20poly1305_init_pull(&copy, header, key); },
      [&] { return __real_crypto_secretstream_xchacha20poly1305_init_pull(state, header, key); });
}

REAL(int, crypto_secretstream_xchacha20poly1305_pull,
     crypto_secretstream_xchacha20poly1305_state* state, u8* out, u64* out_n, u8* tag, const u8* in,
     u64 n, const u8* ad, u64 ad_n) {
  crypto_secretstream_xchacha20poly1305_state copy = *state;
  const auto to = [&](crypto_secretstream_xchacha20poly1305_state* with, u8* where) {
    return __real_crypto_secretstream_xchacha20poly1305_pull(with, where, out_n, tag, in, n, ad,
                                                             ad_n);
  };
  return counted(
      Part::open, n, [&] { return to(&copy, scratch.data()); }, [&] { return to(state, out); });
}

}  // extern "C"
