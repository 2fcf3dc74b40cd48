// A package file, and how to read one without trusting it.
//
//   package   = record-header(kind 1) head body
//   head      = format u8 | signature-count u8 | manifest-size u16 | manifest | signature*
//   signature = key-id (8) | Ed25519 signature (64) over "mpyd manifest v1\0" || manifest
//   body      = wire-chunk*
//   wire-chunk i = sealed chunk i | SHA-256(wire-chunk i+1), 32 zero bytes after the last
//
// A package is named by the SHA-256 of all its bytes, record header included.
#pragma once

#include "protocol/crypto.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/package/manifest.hpp"

namespace mpyd {

inline constexpr std::size_t kHeadFixedBytes = 4;
inline constexpr std::size_t kPackageSignatureBytes = KeyId::kSize + SignatureBytes::kSize;
inline constexpr std::size_t kPackageHeadBytesMax = kRecordHeaderBytes + kHeadFixedBytes +
                                                    kManifestBytesMax +
                                                    kManifestSignaturesMax * kPackageSignatureBytes;

struct PackageSignature {
  KeyId key_id;
  SignatureBytes signature;
};

// The head of a package, parsed but not yet trusted: see trust/verify.hpp.
struct PackageHead {
  Manifest manifest;
  Digest manifest_digest;  // SHA-256 of the manifest's bytes; additional data of key blocks
  Bytes manifest_bytes;    // view into the parsed bytes
  InlineVector<PackageSignature, kManifestSignaturesMax> signatures;
  std::uint32_t body_offset = 0;    // from the start of the package
  std::uint32_t package_bytes = 0;  // record header included
};

// How many bytes the head takes, told by its first kRecordHeaderBytes + kHeadFixedBytes.
// Errors: truncated, bad_magic, unsupported, limit (signatures and manifest are bounded here,
// before anything else looks at them).
Result<std::size_t> package_head_bytes(Bytes start);

// `bytes` starts with the whole head; more may follow.
// Errors: as package_head_bytes and parse_manifest; malformed if the lengths disagree.
Result<PackageHead> parse_package_head(Bytes bytes);
Result<void> read_package_head(Bytes bytes, PackageHead& head);  // into a fresh one

// Pass 1: verifies the chain of a body in order, in constant memory; pieces of any size.
class ChainVerifier {
 public:
  ChainVerifier() = default;
  explicit ChainVerifier(const Manifest& manifest);

  // Errors: bad_digest at the end of the first wrong chunk (nothing later is accepted either),
  // trailing for bytes after the last chunk.
  Result<void> feed(Bytes bytes);
  bool complete() const { return index_ == chunk_count_; }
  std::uint32_t chunks_verified() const { return index_; }

 private:
  std::uint32_t size_of_chunk() const;
  Result<void> finish_chunk();

  crypto::Sha256 hash_;
  Digest expected_;  // of the chunk being fed
  Digest next_;      // its last 32 bytes so far
  std::uint32_t index_ = 0;
  std::uint32_t filled_ = 0;
  std::uint32_t chunk_count_ = 0;
  std::uint32_t full_bytes_ = 0;
  std::uint32_t last_bytes_ = 0;
  bool failed_ = false;
};

// What pass 1 verified and pass 2 relies on. Pass 2 never reads the manifest or key block again.
struct VerifiedPackage {
  std::uint32_t package_bytes = 0;
  std::uint32_t body_offset = 0;
  std::uint32_t plain_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  std::uint32_t chunk_count = 0;
  Encryption encryption = Encryption::none;
  Digest first_chunk_digest;
  StreamHeader stream_header;
  ContentKey content_key;
};
VerifiedPackage make_verified(const PackageHead& head, const ContentKey& key);

// Where a package's bytes lie: the cache, an EEPROM, memory.
class PackageSource {
 public:
  // Fills `out` from `offset`. Errors: io, no_device, truncated.
  virtual Result<void> read(std::uint32_t offset, MutableBytes out) = 0;

 protected:
  ~PackageSource() = default;
};

// Pass 2: reads again, verifies each chunk again, decrypts. One chunk buffer, no more.
class PackageReader {
 public:
  // `buffer` holds at least package.chunk_bytes + 17 + 32 bytes. All three outlive the reader.
  PackageReader(const VerifiedPackage& package, PackageSource& source, MutableBytes buffer);

  // The next chunk's plaintext, a view into the buffer until the next call; empty after the last.
  // Errors: bad_digest, decryption, limit (buffer too small), and the source's. After an error no
  // more bytes come out.
  Result<Bytes> next();
  void wipe();

 private:
  Result<Bytes> read_chunk();

  const VerifiedPackage* package_;
  PackageSource* source_;
  MutableBytes buffer_;
  crypto::StreamPull stream_;
  Digest expected_;
  std::uint32_t index_ = 0;
  std::uint32_t offset_ = 0;
  Result<void> failed_{};
};

}  // namespace mpyd
