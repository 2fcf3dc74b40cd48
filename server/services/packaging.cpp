#include "server/services/packaging.hpp"

#include <algorithm>

#include "protocol/package/key_block.hpp"
#include "protocol/package/writer.hpp"
#include "server/crypto/random.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kWireChunkBytesMax = kChunkBytesMax + crypto::kStreamOverhead + Digest::kSize;

Result<void> check_request(const PackageRequest& request) {
  if (request.publishers.empty() || request.publishers.size() > kManifestSignaturesMax)
    return fail(Errc::invalid_argument, "a package is signed by 1 to 4 publisher keys");
  if (request.is_public) return {};
  if (request.recipients.empty() || request.recipients.size() > kKeyBlockEntriesMax)
    return fail(Errc::invalid_argument, "a package is sealed to 1 to 8 recipients");
  return {};
}

Result<void> sign_head(const Manifest& manifest, std::span<const SigningKeyPair* const> publishers,
                       ByteVector& out, Digest& manifest_digest) {
  std::array<std::byte, kManifestBytesMax> bytes{};
  MPYD_TRY_ASSIGN(const std::size_t size, format_manifest(manifest, bytes));
  const Bytes signed_bytes = Bytes(bytes).first(size);
  manifest_digest = crypto::sha256(signed_bytes);
  std::array<std::byte, kManifestMessageMax> message{};
  MPYD_TRY_ASSIGN(const std::size_t message_size, manifest_message(signed_bytes, message));

  std::vector<PackageSignature> signatures;
  for (const SigningKeyPair* publisher : publishers) {
    const KeyId id = key_id(publisher->public_key.bytes());
    for (const PackageSignature& earlier : signatures)
      if (earlier.key_id == id)
        return fail(Errc::invalid_argument, "the same publisher key was given twice");
    signatures.push_back({id, publisher->sign(Bytes(message).first(message_size))});
  }
  std::array<std::byte, kPackageHeadBytesMax> head{};
  MPYD_TRY_ASSIGN(const std::size_t head_size,
                  format_package_head(signed_bytes, manifest.body_bytes, signatures, head));
  out.insert(out.end(), head.begin(), head.begin() + static_cast<std::ptrdiff_t>(head_size));
  return {};
}

// The package's bytes as the reader's source.
class MemorySource final : public PackageSource {
 public:
  explicit MemorySource(Bytes bytes) : bytes_(bytes) {}
  mpyd::Result<void> read(std::uint32_t offset, MutableBytes out) override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset)
      return mpyd::fail(Errc::truncated);
    copy_bytes(bytes_.subspan(offset, out.size()), out);
    return {};
  }

 private:
  Bytes bytes_;
};

Result<void> decrypt(const PackageHead& head, Bytes package, OpenedPackage& out) {
  VerifiedPackage verified = make_verified(head, *out.content_key);
  MemorySource source(package);
  LockedBytes buffer(kWireChunkBytesMax);
  PackageReader reader(verified, source, buffer.span());
  crypto::wipe(verified.content_key.mutable_bytes());
  out.plain = LockedBytes(head.manifest.plain_bytes);
  std::size_t filled = 0;
  Result<void> done{};
  while (done) {
    const auto chunk = reader.next();
    if (!chunk) {
      done = fail(Error(chunk.error()));
    } else if (chunk->empty()) {
      break;
    } else {
      copy_bytes(*chunk, out.plain.span().subspan(filled, chunk->size()));
      filled += chunk->size();
    }
  }
  reader.wipe();
  return done;
}

}  // namespace

Result<void> append_key_block(const ContentKey& key, std::span<const ExchangeKey> recipients,
                              const Digest& manifest_digest, ByteVector& out) {
  std::array<std::byte, kKeyBlockEntriesMax * kKeyEntryBytes> entries{};
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    Locked<SecretKey> ephemeral;
    random_bytes(ephemeral->mutable_bytes());
    MPYD_TRY(
        lift(seal_content_key(key, recipients[i], *ephemeral, manifest_digest,
                              MutableBytes(entries).subspan(i * kKeyEntryBytes, kKeyEntryBytes)),
             "recipient's key"));
  }
  std::array<std::byte, kKeyBlockBytesMax> block{};
  MPYD_TRY_ASSIGN(
      const std::size_t size,
      format_key_block(Bytes(entries).first(recipients.size() * kKeyEntryBytes), block));
  out.insert(out.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(size));
  return {};
}

Error mpy_error(const mpy::Fault& fault) {
  return {fault.code, "not a sound .mpy: at byte " + std::to_string(fault.offset) + ", " +
                          std::string(fault.what)};
}

Result<mpy::Facts> check_mpy(Bytes mpy, const Abi& abi) {
  if (mpy.size() > kPlainBytesMax)
    return fail(Errc::limit, "larger than " + std::to_string(kPlainBytesMax) + " bytes");
  const auto facts = mpy::inspect(mpy);
  if (!facts) return fail(mpy_error(facts.error()));
  Abi claimed = abi;
  claimed.float_abi = FloatAbi::unspecified;
  claimed.object_repr = ObjectRepr::unspecified;
  claimed.core = Arch::bytecode;
  if (facts->abi == claimed) return *facts;
  return fail(Errc::wrong_abi, "the .mpy is built for " +
                                   std::string(format_abi(with_defaults(facts->abi)).view()) +
                                   ", not for " + std::string(format_abi(abi).view()));
}

Result<ByteVector> build_package(const PackageRequest& request, Bytes mpy) {
  MPYD_TRY(check_request(request));
  MPYD_TRY_ASSIGN(const mpy::Facts facts, check_mpy(mpy, request.manifest.abi));
  Manifest manifest = request.manifest;
  manifest.encryption = request.is_public ? Encryption::none : Encryption::secretstream;
  if (manifest.ram_bytes == 0) manifest.ram_bytes = facts.ram_bytes;
  MPYD_TRY(prepare_manifest(manifest, mpy));

  Locked<ContentKey> content_key;
  StreamHeader header;
  if (!request.is_public) {
    random_bytes(content_key->mutable_bytes());
    header = random_value<StreamHeader>();
  }
  ByteVector body(manifest.body_bytes);
  MPYD_TRY(write_body(manifest, mpy, *content_key, header, body));

  ByteVector out;
  out.reserve(kPackageHeadBytesMax + body.size() + kKeyBlockBytesMax);
  Digest manifest_digest;
  MPYD_TRY(sign_head(manifest, request.publishers, out, manifest_digest));
  out.insert(out.end(), body.begin(), body.end());
  // What was written is read back by the rules every reader applies.
  MPYD_TRY(with_context(check_package(out), "the package just built"));
  if (!request.is_public)
    MPYD_TRY(append_key_block(*content_key, request.recipients, manifest_digest, out));
  return out;
}

Result<CheckedPackage> check_package(Bytes package) {
  CheckedPackage checked;
  MPYD_TRY_ASSIGN(checked.head, parse_package_head(package));
  if (package.size() != checked.head.package_bytes)
    return fail(package.size() < checked.head.package_bytes ? Errc::truncated : Errc::trailing);
  ChainVerifier chain(checked.head.manifest);
  MPYD_TRY(chain.feed(package.subspan(checked.head.body_offset)));
  checked.digest = crypto::sha256(package);
  return checked;
}

Result<std::vector<PackageView>> split_mpkg(Bytes file) {
  std::vector<PackageView> out;
  while (!file.empty()) {
    MPYD_TRY_ASSIGN(const RecordHeader record, parse_record_header(file));
    const std::size_t size = kRecordHeaderBytes + std::size_t{record.length};
    if (record.kind == RecordKind::package) {
      if (size > kPackageBytesMax || out.size() == kPackagesPerFileMax) return fail(Errc::limit);
      if (size > file.size()) return fail(Errc::truncated);
      out.push_back({file.first(size), {}});
    } else {
      // A key block belongs to the package right before it.
      if (record.kind != RecordKind::key_block || out.empty() || !out.back().key_block.empty())
        return fail(Errc::malformed, "a key block does not follow a package");
      MPYD_TRY_ASSIGN(const std::size_t block, key_block_bytes(file));
      if (block > file.size()) return fail(Errc::truncated);
      out.back().key_block = file.first(block);
    }
    file = file.subspan(size);
  }
  if (out.empty()) return fail(Errc::truncated, "there is no package");
  return out;
}

Result<OpenedPackage> open_package(Bytes package, Bytes key_block, const ExchangeKeyPair& server) {
  MPYD_TRY_ASSIGN(const CheckedPackage checked, check_package(package));
  OpenedPackage out;
  out.manifest = checked.head.manifest;
  out.manifest_digest = checked.head.manifest_digest;
  out.digest = checked.digest;
  if (out.manifest.encryption == Encryption::secretstream) {
    auto key = open_content_key(key_block, *server.secret, server.public_key, out.manifest_digest,
                                out.manifest.commitment);
    if (!key) return fail(key.error());
    *out.content_key = *key;
    crypto::wipe(key->mutable_bytes());
  } else if (!key_block.empty()) {
    return fail(Errc::malformed, "a public package has no key block");
  }
  MPYD_TRY(decrypt(checked.head, package, out));
  MPYD_TRY(check_mpy(out.plain.span(), out.manifest.abi));
  out.plain_digest = crypto::sha256(out.plain.span());
  return out;
}

bool same_fields(const Manifest& a, const Manifest& b) {
  return a.driver_name == b.driver_name && a.version == b.version && a.release == b.release &&
         a.hardware_id == b.hardware_id && a.revision_min == b.revision_min &&
         a.revision_max == b.revision_max && a.abi == b.abi &&
         a.driver_interface == b.driver_interface && a.encryption == b.encryption &&
         a.plain_bytes == b.plain_bytes && a.ram_bytes == b.ram_bytes &&
         std::equal(a.required_modules.begin(), a.required_modules.end(),
                    b.required_modules.begin(), b.required_modules.end());
}

bool same_driver(const OpenedPackage& a, const OpenedPackage& b) {
  return a.plain_digest == b.plain_digest && same_fields(a.manifest, b.manifest);
}

}  // namespace mpyd::server
