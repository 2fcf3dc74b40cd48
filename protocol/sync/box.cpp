#include "protocol/sync/box.hpp"

#include "protocol/limits.hpp"

namespace mpyd::sync {
namespace {

// Seals direction || protocol || message, which lie at `inner_at`; the tag goes before them.
void seal(MutableBytes buffer, std::size_t prefix_bytes, std::size_t message_bytes,
          Direction direction, const Nonce& nonce, const SharedKey& key) {
  const std::size_t inner_at = prefix_bytes + crypto::kTagBytes;
  const std::size_t inner_bytes = kInnerPrefixBytes + message_bytes;
  store_u8(buffer, inner_at, static_cast<std::uint32_t>(direction));
  store_u8(buffer, inner_at + 1, kProtocolVersion);
  crypto::box_seal(key, nonce, buffer.subspan(inner_at, inner_bytes),
                   buffer.subspan(prefix_bytes, crypto::kTagBytes + inner_bytes));
}

Result<Bytes> open(MutableBytes box, Direction direction, const Nonce& nonce,
                   const SharedKey& key) {
  if (box.size() < crypto::kTagBytes + kInnerPrefixBytes) return fail(Errc::truncated);
  const MutableBytes inner = box.subspan(crypto::kTagBytes);
  if (!crypto::box_open(key, nonce, box, inner)) return fail(Errc::decryption);
  if (load_u8(inner, 0) != static_cast<std::uint32_t>(direction)) return fail(Errc::replayed);
  if (load_u8(inner, 1) != kProtocolVersion) return fail(Errc::unsupported);
  return Bytes(inner.subspan(kInnerPrefixBytes));
}

Result<void> check_start(Bytes message, Kind kind, std::size_t prefix_bytes) {
  if (message.size() < 2) return fail(Errc::truncated);
  if (!is_known_format(load_u8(message, 0))) return fail(Errc::unsupported);
  if (kind == Kind::answer && load_u8(message, 1) == static_cast<std::uint32_t>(Kind::key_retired))
    return fail(Errc::key_retired);
  if (load_u8(message, 1) != static_cast<std::uint32_t>(kind)) return fail(Errc::malformed);
  if (message.size() < prefix_bytes + crypto::kTagBytes + kInnerPrefixBytes)
    return fail(Errc::truncated);
  return {};
}

}  // namespace

std::size_t seal_request(MutableBytes buffer, std::size_t message_bytes,
                         const RequestPrefix& prefix, const SharedKey& key) {
  store_u8(buffer, 0, kFormat);
  store_u8(buffer, 1, static_cast<std::uint32_t>(Kind::request));
  copy_bytes(prefix.device_key.bytes(), buffer.subspan(2));
  copy_bytes(prefix.server_key_id.bytes(), buffer.subspan(34));
  copy_bytes(prefix.nonce.bytes(), buffer.subspan(42));
  seal(buffer, kRequestPrefixBytes, message_bytes, Direction::to_server, prefix.nonce, key);
  return kRequestMessageOffset + message_bytes;
}

Result<RequestPrefix> parse_request_prefix(Bytes request) {
  MPYD_TRY(check_start(request, Kind::request, kRequestPrefixBytes));
  RequestPrefix prefix;
  copy_bytes(request.subspan(2, 32), prefix.device_key.mutable_bytes());
  copy_bytes(request.subspan(34, 8), prefix.server_key_id.mutable_bytes());
  copy_bytes(request.subspan(42, 24), prefix.nonce.mutable_bytes());
  return prefix;
}

Result<Bytes> open_request(MutableBytes request, const RequestPrefix& prefix,
                           const SharedKey& key) {
  MPYD_TRY(check_start(request, Kind::request, kRequestPrefixBytes));
  return open(request.subspan(kRequestPrefixBytes), Direction::to_server, prefix.nonce, key);
}

std::size_t seal_answer(MutableBytes buffer, std::size_t message_bytes, const Nonce& nonce,
                        const SharedKey& key) {
  store_u8(buffer, 0, kFormat);
  store_u8(buffer, 1, static_cast<std::uint32_t>(Kind::answer));
  copy_bytes(nonce.bytes(), buffer.subspan(2));
  seal(buffer, kAnswerPrefixBytes, message_bytes, Direction::to_device, nonce, key);
  return kAnswerMessageOffset + message_bytes;
}

Result<Bytes> open_answer(MutableBytes answer, const SharedKey& key) {
  MPYD_TRY(check_start(answer, Kind::answer, kAnswerPrefixBytes));
  Nonce nonce;
  copy_bytes(answer.subspan(2, 24), nonce.mutable_bytes());
  return open(answer.subspan(kAnswerPrefixBytes), Direction::to_device, nonce, key);
}

}  // namespace mpyd::sync
