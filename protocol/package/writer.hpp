// Builds packages. For publishers: no secret leaves the caller, and the caller brings all
// randomness.
#pragma once

#include "protocol/package/package.hpp"

namespace mpyd {

// Encrypts and chains `plain` into `body` (body_bytes_of(manifest) bytes) and fills the fields of
// `manifest` that follow: plain_bytes, chunk_count, body_bytes, first_chunk_digest, and for
// encrypted packages stream_header and commitment. Set chunk_bytes and encryption before. Errors:
// limit (size of plain or body), malformed (empty plain).
Result<void> prepare_manifest(Manifest& manifest, Bytes plain);  // sizes only
Result<void> write_body(Manifest& manifest, Bytes plain, const ContentKey& key,
                        const StreamHeader& header, MutableBytes body);

// The bytes to sign: "mpyd manifest v1\0" || manifest. Errors: limit. Returns the size.
inline constexpr std::size_t kManifestMessageMax = 32 + kManifestBytesMax;
Result<std::size_t> manifest_message(Bytes manifest, MutableBytes out);

// record header + head; the body follows. Errors: limit. Returns the size.
Result<std::size_t> format_package_head(Bytes manifest, std::uint32_t body_bytes,
                                        std::span<const PackageSignature> signatures,
                                        MutableBytes out);

}  // namespace mpyd
