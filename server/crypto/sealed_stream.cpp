#include "server/crypto/sealed_stream.hpp"

#include <algorithm>

#include "server/crypto/passphrase_key.hpp"
#include "server/crypto/random.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kHeadBytes = kPassphraseSaltBytes + StreamHeader::kSize;
constexpr std::size_t kWireChunkBytes = kSealedChunkBytes + crypto::kStreamOverhead;

Result<Locked<ContentKey>> stream_key(Bytes passphrase, Bytes salt) {
  MPYD_TRY_ASSIGN(const Locked<PassphraseKey> key, passphrase_key(passphrase, salt));
  Locked<ContentKey> out;
  copy_bytes(key->bytes(), out->mutable_bytes());
  return out;
}

}  // namespace

StreamSealer::StreamSealer(std::unique_ptr<crypto::StreamPush> stream, Sink sink)
    : stream_(std::move(stream)), sink_(std::move(sink)), plain_(kSealedChunkBytes) {}

Result<StreamSealer> StreamSealer::start(Bytes passphrase, Sink sink) {
  std::array<std::byte, kHeadBytes> head;
  random_bytes(head);
  const Bytes salt = Bytes(head).first(kPassphraseSaltBytes);
  MPYD_TRY_ASSIGN(const Locked<ContentKey> key, stream_key(passphrase, salt));
  StreamHeader header;
  copy_bytes(Bytes(head).subspan(kPassphraseSaltBytes), header.mutable_bytes());
  MPYD_TRY(sink(head));
  return StreamSealer(std::make_unique<crypto::StreamPush>(*key, header), std::move(sink));
}

Result<void> StreamSealer::push(bool is_last) {
  sealed_.resize(held_ + crypto::kStreamOverhead);
  stream_->push(plain_.span().first(held_), is_last, sealed_);
  held_ = 0;
  return sink_(sealed_);
}

Result<void> StreamSealer::write(Bytes plain) {
  while (!plain.empty()) {
    // Only now, so that the last chunk is never followed by an empty one without need.
    if (held_ == kSealedChunkBytes) MPYD_TRY(push(false));
    const std::size_t part = std::min(plain.size(), kSealedChunkBytes - held_);
    copy_bytes(plain.first(part), plain_.span().subspan(held_));
    held_ += part;
    plain = plain.subspan(part);
  }
  return {};
}

Result<void> StreamSealer::finish() { return push(true); }

StreamOpener::StreamOpener(const crypto::StreamPull& stream, Source source)
    : stream_(stream),
      source_(std::move(source)),
      plain_(kSealedChunkBytes),
      sealed_(kWireChunkBytes) {}

Result<StreamOpener> StreamOpener::start(Bytes passphrase, Source source) {
  std::array<std::byte, kHeadBytes> head;
  MPYD_TRY_ASSIGN(const std::size_t got, source(head));
  if (got != head.size()) return fail(Errc::truncated, "it ends before its content begins");
  MPYD_TRY_ASSIGN(const Locked<ContentKey> key,
                  stream_key(passphrase, Bytes(head).first(kPassphraseSaltBytes)));
  StreamHeader header;
  copy_bytes(Bytes(head).subspan(kPassphraseSaltBytes), header.mutable_bytes());
  return StreamOpener(crypto::StreamPull(*key, header), std::move(source));
}

Result<void> StreamOpener::pull() {
  MPYD_TRY_ASSIGN(const std::size_t got, source_(sealed_));
  if (got < crypto::kStreamOverhead) return fail(Errc::truncated, "it was cut off");
  held_ = got - crypto::kStreamOverhead;
  used_ = 0;
  if (!stream_.pull(Bytes(sealed_).first(got), plain_.span().first(held_), is_last_))
    return fail(Errc::decryption,
                is_first_ ? "the passphrase does not open it, or it was cut off or changed"
                          : "it was changed after it was written");
  is_first_ = false;
  if (got < sealed_.size() && !is_last_) return fail(Errc::truncated, "it was cut off");
  if (!is_last_) return {};
  std::byte more;
  MPYD_TRY_ASSIGN(const std::size_t after, source_({&more, 1}));
  if (after != 0) return fail(Errc::trailing, "something follows its end");
  return {};
}

Result<std::size_t> StreamOpener::read(MutableBytes out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (used_ == held_) {
      if (is_last_) break;
      MPYD_TRY(pull());
      continue;
    }
    const std::size_t part = std::min(out.size() - filled, held_ - used_);
    copy_bytes(Bytes(plain_.span()).subspan(used_, part), out.subspan(filled));
    used_ += part;
    filled += part;
  }
  return filled;
}

}  // namespace mpyd::server
