// The outside of a sync: POST /v1/device/sync, body and answer.
//
//   request = format u8 | kind u8 = 1 | device key (32) | server key id (8) | nonce (24) | box
//   answer  = format u8 | kind u8 = 2 | nonce (24) | box
//   retired = format u8 | kind u8 = 3      (in clear: walk the root, then repeat)
//   box     = crypto_box XChaCha20-Poly1305 of: direction u8 | protocol u8 | protobuf message
//
// The direction byte makes a reflected message useless; the answer repeats the request's nonce and
// digest, which makes it fresh without a clock.
#pragma once

#include "protocol/crypto.hpp"
#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace mpyd::sync {

enum class Kind : std::uint8_t { request = 1, answer = 2, key_retired = 3 };
enum class Direction : std::uint8_t { to_server = 0x51, to_device = 0xa2 };
inline constexpr std::uint8_t kProtocolVersion = 1;

// SyncAnswer.status; never reused.
enum class Status : std::uint32_t {
  ok = 0,
  counter = 1,
  unknown_device = 2,
  revoked = 3,
  refused = 4,
  not_approved = 5
};

inline constexpr std::size_t kRequestPrefixBytes = 2 + 32 + 8 + 24;
inline constexpr std::size_t kAnswerPrefixBytes = 2 + 24;
inline constexpr std::size_t kInnerPrefixBytes = 2;
// Offset of the protobuf message in the plaintext layout used by seal/open below.
inline constexpr std::size_t kRequestMessageOffset =
    kRequestPrefixBytes + crypto::kTagBytes + kInnerPrefixBytes;
inline constexpr std::size_t kAnswerMessageOffset =
    kAnswerPrefixBytes + crypto::kTagBytes + kInnerPrefixBytes;

struct RequestPrefix {
  ExchangeKey device_key;
  KeyId server_key_id;
  Nonce nonce;
};

// Seals in place: the caller wrote the protobuf message of `message_bytes` at kRequestMessageOffset
// of `buffer`. Returns the size of the whole request.
std::size_t seal_request(MutableBytes buffer, std::size_t message_bytes,
                         const RequestPrefix& prefix, const SharedKey& key);
// Errors: truncated, malformed, unsupported (format).
Result<RequestPrefix> parse_request_prefix(Bytes request);
// Opens in place; the view into `request` is the protobuf message.
// Errors: decryption, replayed (wrong direction), unsupported (protocol version).
Result<Bytes> open_request(MutableBytes request, const RequestPrefix& prefix, const SharedKey& key);

std::size_t seal_answer(MutableBytes buffer, std::size_t message_bytes, const Nonce& nonce,
                        const SharedKey& key);
// Errors: truncated, malformed, unsupported, key_retired, decryption, replayed (wrong direction).
Result<Bytes> open_answer(MutableBytes answer, const SharedKey& key);

}  // namespace mpyd::sync
