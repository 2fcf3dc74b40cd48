// Whole packages for tests, built by the same writer that publishers use.
#pragma once

#include <vector>

#include "protocol/package/key_block.hpp"
#include "protocol/package/writer.hpp"
#include "protocol/trust/verify.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/keys.hpp"

namespace mpyd::test {

struct BuiltPackage {
  Manifest manifest;
  Buffer manifest_bytes;
  Buffer bytes;  // the whole package
  Buffer plain;
  ContentKey content_key;

  Digest name() const { return crypto::sha256(bytes); }
  Bytes body() const { return Bytes(bytes).last(manifest.body_bytes); }
};

// A manifest with every field that a publisher chooses.
inline Manifest example_manifest() {
  Manifest m;
  m.driver_name = parse_driver_name("thermo").value();
  m.version = parse_version("1.4.0").value();
  m.release = 14;
  m.hardware_id = HardwareId::parse("hat:Meadow%20Instruments:0042").value();
  m.revision_min = 2;
  m.revision_max = 7;
  m.abi = parse_abi("6.3-armv7m").value();
  m.abi.small_int_bits = 31;
  m.ram_bytes = 5000;
  m.created_unix_s = 1767225600;
  return m;
}

inline BuiltPackage build_package(Manifest manifest, Bytes plain,
                                  const std::vector<Signer>& signers, std::uint64_t seed = 7) {
  BuiltPackage out;
  out.plain = copy(plain);
  out.content_key = random_fixed<ContentKey>(seed);
  must(prepare_manifest(manifest, plain));
  Buffer body(body_bytes_of(manifest));
  must(write_body(manifest, plain, out.content_key, random_fixed<StreamHeader>(seed + 1), body));
  out.manifest = manifest;
  out.manifest_bytes.resize(kManifestBytesMax);
  out.manifest_bytes.resize(format_manifest(manifest, out.manifest_bytes).value());

  std::vector<PackageSignature> signatures;
  for (const Signer& signer : signers)
    signatures.push_back(
        {key_id(signer.key.bytes()), sign(signer, trust::kManifestPrefix, out.manifest_bytes)});
  out.bytes.resize(kPackageHeadBytesMax);
  out.bytes.resize(
      format_package_head(out.manifest_bytes, manifest.body_bytes, signatures, out.bytes).value());
  out.bytes.insert(out.bytes.end(), body.begin(), body.end());
  return out;
}

// One sealed content key in a key block record.
inline Buffer build_key_block(const BuiltPackage& package,
                              const std::vector<ExchangeKey>& recipients, std::uint64_t seed = 70) {
  Buffer entries(recipients.size() * kKeyEntryBytes);
  for (std::size_t i = 0; i < recipients.size(); ++i)
    must(seal_content_key(package.content_key, recipients[i], random_fixed<SecretKey>(seed + i),
                          crypto::sha256(package.manifest_bytes),
                          MutableBytes(entries).subspan(i * kKeyEntryBytes)));
  Buffer out(kKeyBlockBytesMax);
  out.resize(format_key_block(entries, out).value());
  return out;
}

// A package in memory, as a cache or EEPROM would hold it.
class MemorySource final : public PackageSource {
 public:
  explicit MemorySource(Bytes bytes) : bytes_(bytes) {}
  Result<void> read(std::uint32_t offset, MutableBytes out) override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) return fail(Errc::truncated);
    copy_bytes(bytes_.subspan(offset, out.size()), out);
    return {};
  }

 private:
  Bytes bytes_;
};

}  // namespace mpyd::test
