#include "protocol/package/package.hpp"

#include "protocol/in_place.hpp"

namespace mpyd {

Result<std::size_t> package_head_bytes(Bytes start) {
  MPYD_TRY_ASSIGN(const RecordHeader record, parse_record_header(start));
  if (record.kind != RecordKind::package) return fail(Errc::bad_magic);
  if (start.size() < kRecordHeaderBytes + kHeadFixedBytes) return fail(Errc::truncated);
  if (!is_known_format(load_u8(start, kRecordHeaderBytes))) return fail(Errc::unsupported);
  const std::uint32_t signatures = load_u8(start, kRecordHeaderBytes + 1);
  const std::uint32_t manifest = load_le16(start, kRecordHeaderBytes + 2);
  if (signatures > kManifestSignaturesMax || manifest > kManifestBytesMax) return fail(Errc::limit);
  if (signatures == 0 || manifest == 0) return fail(Errc::malformed);
  return kRecordHeaderBytes + kHeadFixedBytes + manifest + signatures * kPackageSignatureBytes;
}

Result<PackageHead> parse_package_head(Bytes bytes) {
  return made_in_place<PackageHead>(
      [&](PackageHead& out) { return read_package_head(bytes, out); });
}

Result<void> read_package_head(Bytes bytes, PackageHead& head) {
  MPYD_TRY_ASSIGN(const std::size_t size, package_head_bytes(bytes));
  if (bytes.size() < size) return fail(Errc::truncated);
  const std::size_t manifest_at = kRecordHeaderBytes + kHeadFixedBytes;
  head.manifest_bytes = bytes.subspan(manifest_at, load_le16(bytes, kRecordHeaderBytes + 2));
  head.manifest_digest = crypto::sha256(head.manifest_bytes);
  MPYD_TRY(read_manifest(head.manifest_bytes, head.manifest));
  for (std::size_t at = manifest_at + head.manifest_bytes.size(); at < size;
       at += kPackageSignatureBytes) {
    PackageSignature signature;
    copy_bytes(bytes.subspan(at, KeyId::kSize), signature.key_id.mutable_bytes());
    copy_bytes(bytes.subspan(at + KeyId::kSize, SignatureBytes::kSize),
               signature.signature.mutable_bytes());
    head.signatures.push_back(signature);
  }
  head.body_offset = static_cast<std::uint32_t>(size);
  head.package_bytes = head.body_offset + head.manifest.body_bytes;
  MPYD_TRY_ASSIGN(const RecordHeader record, parse_record_header(bytes));
  if (record.length != head.package_bytes - kRecordHeaderBytes) return fail(Errc::malformed);
  return {};
}

ChainVerifier::ChainVerifier(const Manifest& manifest)
    : expected_(manifest.first_chunk_digest),
      chunk_count_(manifest.chunk_count),
      full_bytes_(wire_chunk_bytes(manifest, 0)),
      last_bytes_(wire_chunk_bytes(manifest, manifest.chunk_count - 1)) {}

std::uint32_t ChainVerifier::size_of_chunk() const {
  return index_ + 1 == chunk_count_ ? last_bytes_ : full_bytes_;
}

Result<void> ChainVerifier::feed(Bytes bytes) {
  while (!bytes.empty()) {
    if (failed_) return fail(Errc::bad_digest);
    if (complete()) return fail(Errc::trailing);
    const std::uint32_t size = size_of_chunk();
    const std::size_t take = bytes.size() < size - filled_ ? bytes.size() : size - filled_;
    hash_.update(bytes.first(take));
    // The chunk's last 32 bytes are the digest of the next one.
    const std::size_t tail_at = size - Digest::kSize;
    for (std::size_t i = 0; i < take; ++i)
      if (filled_ + i >= tail_at) next_.data[filled_ + i - tail_at] = bytes[i];
    filled_ += static_cast<std::uint32_t>(take);
    bytes = bytes.subspan(take);
    if (filled_ == size) MPYD_TRY(finish_chunk());
  }
  return {};
}

Result<void> ChainVerifier::finish_chunk() {
  const bool good = hash_.finish() == expected_;
  // The last chunk ends in zeros: nothing may hang on behind it.
  const bool is_last = index_ + 1 == chunk_count_;
  if (!good || (is_last && !next_.is_zero())) {
    failed_ = true;
    return fail(Errc::bad_digest);
  }
  expected_ = next_;
  hash_ = crypto::Sha256();
  filled_ = 0;
  ++index_;
  return {};
}

VerifiedPackage make_verified(const PackageHead& head, const ContentKey& key) {
  const Manifest& m = head.manifest;
  return VerifiedPackage{.package_bytes = head.package_bytes,
                         .body_offset = head.body_offset,
                         .plain_bytes = m.plain_bytes,
                         .chunk_bytes = m.chunk_bytes,
                         .chunk_count = m.chunk_count,
                         .encryption = m.encryption,
                         .first_chunk_digest = m.first_chunk_digest,
                         .stream_header = m.stream_header,
                         .content_key = key};
}

PackageReader::PackageReader(const VerifiedPackage& package, PackageSource& source,
                             MutableBytes buffer)
    : package_(&package),
      source_(&source),
      buffer_(buffer),
      stream_(package.content_key, package.stream_header),
      expected_(package.first_chunk_digest),
      offset_(package.body_offset) {}

Result<Bytes> PackageReader::next() {
  if (!failed_) return fail(failed_.error());
  if (index_ == package_->chunk_count) return Bytes{};
  auto chunk = read_chunk();
  if (!chunk) failed_ = fail(chunk.error());
  return chunk;
}

Result<Bytes> PackageReader::read_chunk() {
  const bool is_last = index_ + 1 == package_->chunk_count;
  const bool is_sealed = package_->encryption == Encryption::secretstream;
  const std::uint32_t plain_size =
      is_last ? package_->plain_bytes - index_ * package_->chunk_bytes : package_->chunk_bytes;
  const std::size_t sealed_size = plain_size + (is_sealed ? crypto::kStreamOverhead : 0);
  const std::size_t wire_size = sealed_size + Digest::kSize;
  if (wire_size > buffer_.size()) return fail(Errc::limit);

  const MutableBytes wire = buffer_.first(wire_size);
  MPYD_TRY(source_->read(offset_, wire));
  if (crypto::sha256(wire) != expected_) return fail(Errc::bad_digest);
  copy_bytes(wire.subspan(sealed_size), expected_.mutable_bytes());
  offset_ += static_cast<std::uint32_t>(wire_size);
  ++index_;
  if (!is_sealed) return wire.first(plain_size);

  // libsodium decrypts in place one byte further down: the sealed chunk starts with its tag byte.
  const MutableBytes plain = wire.subspan(1, plain_size);
  bool last = false;
  if (!stream_.pull(wire.first(sealed_size), plain, last) || last != is_last)
    return fail(Errc::decryption);
  return plain;
}

void PackageReader::wipe() {
  stream_.wipe();
  crypto::wipe(buffer_);
}

}  // namespace mpyd
