// Building packages and opening them again. Used by `mpyd pack` and `mpyd publish` on the
// publisher's side and by the server, once, at publish. What is trusted is decided elsewhere
// (protocol/trust): opening proves integrity and fitness, not who may publish.
#pragma once

#include <span>
#include <vector>

#include "protocol/mpy/inspect.hpp"
#include "protocol/package/package.hpp"
#include "server/crypto/key_file.hpp"
#include "server/crypto/locked.hpp"
#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

// Bounds of a file of concatenated .mpkg, and of one of them.
inline constexpr std::size_t kPackagesPerFileMax = 64;
inline constexpr std::size_t kPackageBytesMax =
    kPackageHeadBytesMax + kPlainBytesMax + kChunkCountMax * (Digest::kSize + 17);

// What goes into a package besides the bytes of the driver.
struct PackageRequest {
  // driver_name, version, release, hardware_id, revision range, abi, required modules, ram_bytes
  // (0: set to what loading it takes) and created_unix_s are read; the rest follows from the bytes.
  Manifest manifest;
  std::span<const SigningKeyPair* const> publishers;  // 1..4; all sign
  std::span<const ExchangeKey> recipients;            // 1..8 unless public
  bool is_public = false;
};

// Checks the .mpy, encrypts it under a fresh content key, chains, signs: the bytes of a .mpkg, that
// is package record and, unless public, key block record.
// Errors: those of check_mpy; invalid_argument (no publisher, no recipient, too many), limit.
Result<ByteVector> build_package(const PackageRequest& request, Bytes mpy);

// The check that publisher and server run on a driver's bytes before anyone signs or stores them:
// it is a .mpy that MicroPython's loader can be given, and its header says what `abi` says (the
// float ABI and the object representation stand in no .mpy; they are the publisher's word).
// Errors: those of mpy::inspect, with the place; limit, wrong_abi.
Result<mpy::Facts> check_mpy(Bytes mpy, const Abi& abi);
// What is wrong with a .mpy, and where.
Error mpy_error(const mpy::Fault& fault);

// One .mpkg, as views into the bytes it was split from.
struct PackageView {
  Bytes package;    // whole record
  Bytes key_block;  // whole record; empty for public packages
  Bytes both() const { return {package.data(), package.size() + key_block.size()}; }
};

// Concatenated .mpkg -> its parts. Errors: truncated, bad_magic, malformed, limit, unsupported.
Result<std::vector<PackageView>> split_mpkg(Bytes file);

struct OpenedPackage {
  Manifest manifest;
  Digest manifest_digest;
  Digest digest;        // names the package
  Digest plain_digest;  // SHA-256 of the .mpy
  LockedBytes plain;
  Locked<ContentKey> content_key;  // zero for public packages
};

// Appends a key block with one entry, under a fresh key, for each recipient.
// Errors: limit (too many recipients), malformed (a recipient's key is of small order).
Result<void> append_key_block(const ContentKey& key, std::span<const ExchangeKey> recipients,
                              const Digest& manifest_digest, ByteVector& out);

// Verifies the chain to its end, opens the content key with the server's key, decrypts into locked
// memory and runs check_mpy. `package` is one whole package record and nothing more.
// Errors: those of parse_package_head, ChainVerifier, open_content_key (no_key: not sealed to this
// key), decryption, check_mpy.
Result<OpenedPackage> open_package(Bytes package, Bytes key_block, const ExchangeKeyPair& server);

// Parses the head and verifies the chain; needs no key. The digest names the package.
// Errors: those of parse_package_head and ChainVerifier.
struct CheckedPackage {
  PackageHead head;  // views into `package`
  Digest digest;
};
Result<CheckedPackage> check_package(Bytes package);

// Do two packages carry the same driver, whatever their keys and times? Compares plaintext digests
// and the manifest fields that do not depend on key or time.
bool same_driver(const OpenedPackage& a, const OpenedPackage& b);
bool same_fields(const Manifest& a, const Manifest& b);

}  // namespace mpyd::server
