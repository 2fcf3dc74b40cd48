// Bytes of any length under a passphrase, written and read once from front to end.
//
//   sealed = salt (16) | stream header (24) | chunk*
//   chunk  = libsodium's secretstream (XChaCha20-Poly1305) of 65536 bytes, 17 bytes more; the last
//            one may be shorter, even empty, and carries TAG_FINAL
//
// The key comes from the passphrase (passphrase_key.hpp). What is cut off, changed or exchanged
// does not open; a chunk is handed out only after it was authenticated.
#pragma once

#include <functional>
#include <optional>

#include "protocol/crypto.hpp"
#include "server/crypto/locked.hpp"
#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

inline constexpr std::size_t kSealedChunkBytes = 65536;

class StreamSealer {
 public:
  using Sink = std::function<Result<void>(Bytes sealed)>;
  // Writes salt and header. Errors: memory, and the sink's.
  static Result<StreamSealer> start(Bytes passphrase, Sink sink);

  Result<void> write(Bytes plain);
  // Writes the last chunk; without it nobody can read the stream.
  Result<void> finish();

 private:
  StreamSealer(std::unique_ptr<crypto::StreamPush> stream, Sink sink);
  Result<void> push(bool is_last);

  std::unique_ptr<crypto::StreamPush> stream_;
  Sink sink_;
  LockedBytes plain_;
  std::size_t held_ = 0;  // bytes in plain_
  ByteVector sealed_;
};

class StreamOpener {
 public:
  // Fills `out` with the next bytes; fewer only at the end.
  using Source = std::function<Result<std::size_t>(MutableBytes out)>;
  // Errors: truncated, memory, and the source's.
  static Result<StreamOpener> start(Bytes passphrase, Source source);

  StreamOpener(StreamOpener&&) = default;
  StreamOpener& operator=(StreamOpener&&) = delete;
  ~StreamOpener() { stream_.wipe(); }

  // As a source. Errors: decryption (another passphrase, or changed bytes), truncated, trailing
  // (something follows the end), and the source's.
  Result<std::size_t> read(MutableBytes out);

 private:
  StreamOpener(const crypto::StreamPull& stream, Source source);
  Result<void> pull();

  crypto::StreamPull stream_;
  Source source_;
  LockedBytes plain_;
  std::size_t held_ = 0;  // bytes in plain_, of which
  std::size_t used_ = 0;  // so many were handed out
  bool is_last_ = false;
  bool is_first_ = true;
  ByteVector sealed_;
};

}  // namespace mpyd::server
