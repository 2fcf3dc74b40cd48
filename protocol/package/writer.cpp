#include "protocol/package/writer.hpp"

#include "protocol/package/key_block.hpp"
#include "protocol/trust/verify.hpp"

namespace mpyd {

Result<void> prepare_manifest(Manifest& manifest, Bytes plain) {
  if (plain.empty()) return fail(Errc::malformed);
  if (plain.size() > kPlainBytesMax || manifest.chunk_bytes < kChunkBytesMin ||
      manifest.chunk_bytes > kChunkBytesMax)
    return fail(Errc::limit);
  manifest.plain_bytes = static_cast<std::uint32_t>(plain.size());
  manifest.chunk_count = chunk_count_of(manifest.plain_bytes, manifest.chunk_bytes);
  manifest.body_bytes = body_bytes_of(manifest);
  return {};
}

Result<void> write_body(Manifest& manifest, Bytes plain, const ContentKey& key,
                        const StreamHeader& header, MutableBytes body) {
  MPYD_TRY(prepare_manifest(manifest, plain));
  if (body.size() != manifest.body_bytes) return fail(Errc::limit);
  const bool is_sealed = manifest.encryption == Encryption::secretstream;
  const std::uint32_t stride = wire_chunk_bytes(manifest, 0);

  // Encrypt in order ...
  crypto::StreamPush stream(key, header);
  for (std::uint32_t i = 0; i < manifest.chunk_count; ++i) {
    const bool is_last = i + 1 == manifest.chunk_count;
    const std::size_t from = std::size_t{i} * manifest.chunk_bytes;
    const Bytes chunk = plain.subspan(from, is_last ? plain.size() - from : manifest.chunk_bytes);
    const MutableBytes wire = body.subspan(std::size_t{i} * stride, wire_chunk_bytes(manifest, i));
    if (is_sealed)
      stream.push(chunk, is_last, wire.first(wire.size() - Digest::kSize));
    else
      copy_bytes(chunk, wire);
  }
  // ... then chain from the last to the first.
  Digest next{};
  for (std::uint32_t i = manifest.chunk_count; i-- > 0;) {
    const MutableBytes wire = body.subspan(std::size_t{i} * stride, wire_chunk_bytes(manifest, i));
    copy_bytes(next.bytes(), wire.last(Digest::kSize));
    next = crypto::sha256(wire);
  }
  manifest.first_chunk_digest = next;
  if (is_sealed) {
    manifest.stream_header = header;
    manifest.commitment = commitment_of(key);
  }
  return {};
}

Result<std::size_t> manifest_message(Bytes manifest, MutableBytes out) {
  const std::size_t size = trust::kManifestPrefix.size() + manifest.size();
  if (size > out.size()) return fail(Errc::limit);
  copy_bytes(as_bytes(trust::kManifestPrefix), out);
  copy_bytes(manifest, out.subspan(trust::kManifestPrefix.size()));
  return size;
}

Result<std::size_t> format_package_head(Bytes manifest, std::uint32_t body_bytes,
                                        std::span<const PackageSignature> signatures,
                                        MutableBytes out) {
  const std::size_t size = kRecordHeaderBytes + kHeadFixedBytes + manifest.size() +
                           signatures.size() * kPackageSignatureBytes;
  if (manifest.size() > kManifestBytesMax || signatures.size() > kManifestSignaturesMax ||
      size > out.size())
    return fail(Errc::limit);
  format_record_header(
      {RecordKind::package, static_cast<std::uint32_t>(size - kRecordHeaderBytes) + body_bytes},
      out);
  store_u8(out, kRecordHeaderBytes, kFormat);
  store_u8(out, kRecordHeaderBytes + 1, static_cast<std::uint32_t>(signatures.size()));
  store_le16(out, kRecordHeaderBytes + 2, static_cast<std::uint32_t>(manifest.size()));
  std::size_t at = kRecordHeaderBytes + kHeadFixedBytes;
  copy_bytes(manifest, out.subspan(at));
  at += manifest.size();
  for (const PackageSignature& signature : signatures) {
    copy_bytes(signature.key_id.bytes(), out.subspan(at));
    copy_bytes(signature.signature.bytes(), out.subspan(at + KeyId::kSize));
    at += kPackageSignatureBytes;
  }
  return size;
}

}  // namespace mpyd
