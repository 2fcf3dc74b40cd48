#include "server/crypto/sealed_stream.hpp"

#include <algorithm>

#include "tests/support/catch.hpp"

namespace mpyd::server {
namespace {

const Bytes kPassphrase = as_bytes(std::string_view("correct horse"));

ByteVector pattern(std::size_t size) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 + i / 251);
  return out;
}

ByteVector seal(Bytes plain, std::size_t piece = 10'007) {
  ByteVector out;
  StreamSealer sealer = StreamSealer::start(kPassphrase, [&](Bytes sealed) -> Result<void> {
                          out.insert(out.end(), sealed.begin(), sealed.end());
                          return {};
                        }).value();
  for (std::size_t at = 0; at < plain.size(); at += piece)
    REQUIRE(sealer.write(plain.subspan(at, std::min(piece, plain.size() - at))));
  REQUIRE(sealer.finish());
  return out;
}

Result<ByteVector> open(Bytes sealed, Bytes passphrase = kPassphrase) {
  const auto source = [&sealed](MutableBytes out) -> Result<std::size_t> {
    const std::size_t part = std::min(out.size(), sealed.size());
    copy_bytes(sealed.first(part), out);
    sealed = sealed.subspan(part);
    return part;
  };
  MPYD_TRY_ASSIGN(StreamOpener opener, StreamOpener::start(passphrase, source));
  ByteVector out;
  ByteVector piece(7'001);
  while (true) {
    MPYD_TRY_ASSIGN(const std::size_t got, opener.read(piece));
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
    if (got < piece.size()) return out;
  }
}

TEST_CASE("what was sealed under a passphrase opens with it, whatever its size") {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kSealedChunkBytes - 1,
                                 kSealedChunkBytes, kSealedChunkBytes + 1, 3 * kSealedChunkBytes}) {
    const ByteVector plain = pattern(size);
    CHECK(open(seal(plain)).value() == plain);
  }
}

TEST_CASE("a sealed stream opens with no other passphrase, and two are never alike") {
  const ByteVector sealed = seal(pattern(100));
  CHECK(open(sealed, as_bytes(std::string_view("wrong"))).error().code == Errc::decryption);
  CHECK(seal(pattern(100)) != sealed);
}

TEST_CASE("a sealed stream that was changed anywhere does not open") {
  const ByteVector sealed = seal(pattern(2 * kSealedChunkBytes + 5));
  for (const std::size_t at : {std::size_t{0}, std::size_t{20}, std::size_t{45},
                               kSealedChunkBytes + 100, sealed.size() - 1}) {
    ByteVector changed = sealed;
    changed[at] ^= std::byte{1};
    CHECK(open(changed).error().code == Errc::decryption);
  }
}

TEST_CASE("a sealed stream that was cut off or goes on does not open") {
  const ByteVector sealed = seal(pattern(2 * kSealedChunkBytes + 5));
  const std::size_t wire_chunk = kSealedChunkBytes + crypto::kStreamOverhead;
  // Inside the head, at the end of a chunk, inside the last.
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{39}, std::size_t{40}, 40 + wire_chunk, 40 + 2 * wire_chunk}) {
    CHECK(open(Bytes(sealed).first(size)).error().code == Errc::truncated);
  }
  CHECK(open(Bytes(sealed).first(sealed.size() - 1)).error().code == Errc::decryption);
  // After a full last chunk what follows is told apart; after a short one it breaks the chunk.
  ByteVector full = seal(pattern(kSealedChunkBytes));
  full.push_back(std::byte{0});
  CHECK(open(full).error().code == Errc::trailing);
  ByteVector longer = sealed;
  longer.push_back(std::byte{0});
  CHECK(open(longer).error().code == Errc::decryption);
}

TEST_CASE("chunks of a sealed stream cannot be exchanged") {
  ByteVector sealed = seal(pattern(3 * kSealedChunkBytes));
  const auto wire_chunk = static_cast<std::ptrdiff_t>(kSealedChunkBytes + crypto::kStreamOverhead);
  std::swap_ranges(sealed.begin() + 40, sealed.begin() + 40 + wire_chunk,
                   sealed.begin() + 40 + wire_chunk);
  CHECK(open(sealed).error().code == Errc::decryption);
}

}  // namespace
}  // namespace mpyd::server
