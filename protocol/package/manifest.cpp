#include "protocol/package/manifest.hpp"

#include "mpyd/v1/package.npb.h"
#include "protocol/abi_codec.hpp"
#include "protocol/crypto.hpp"
#include "protocol/in_place.hpp"
#include "protocol/nanopb_io.hpp"

namespace mpyd {
namespace {

Result<void> read_identity(const mpyd_v1_Manifest& m, Manifest& out) {
  MPYD_TRY_ASSIGN(const auto driver_name, pb::text_of(m.driver_name));
  MPYD_TRY_ASSIGN(out.driver_name, parse_driver_name(driver_name));
  MPYD_TRY_ASSIGN(const auto version, pb::text_of(m.version));
  MPYD_TRY_ASSIGN(out.version, parse_version(version));
  MPYD_TRY_ASSIGN(const auto hardware_id, pb::text_of(m.hardware_id));
  MPYD_TRY_ASSIGN(out.hardware_id, HardwareId::parse(hardware_id));
  if (!m.has_abi) return fail(Errc::malformed);
  MPYD_TRY_ASSIGN(out.abi, abi_from_message(m.abi));
  out.release = m.release;
  out.revision_min = m.revision_min;
  out.revision_max = m.revision_max;
  if (out.release == 0 || out.revision_min > out.revision_max) return fail(Errc::malformed);
  out.driver_interface = m.driver_interface;
  if (out.driver_interface != kDriverInterface) return fail(Errc::unsupported);
  for (pb_size_t i = 0; i < m.required_modules_count; ++i) {
    MPYD_TRY_ASSIGN(const auto name, pb::text_of(m.required_modules[i]));
    MPYD_TRY_ASSIGN(const ModuleName module, ModuleName::make(name));
    if (module.empty()) return fail(Errc::malformed);
    out.required_modules.push_back(module);
  }
  return {};
}

Result<void> read_sizes(const mpyd_v1_Manifest& m, Manifest& out) {
  out.plain_bytes = m.plain_bytes;
  out.ram_bytes = m.ram_bytes;
  out.chunk_bytes = m.chunk_bytes;
  out.chunk_count = m.chunk_count;
  out.body_bytes = m.body_bytes;
  if (out.plain_bytes > kPlainBytesMax || out.chunk_bytes > kChunkBytesMax)
    return fail(Errc::limit);
  if (out.plain_bytes == 0 || out.chunk_bytes < kChunkBytesMin ||
      out.chunk_count != chunk_count_of(out.plain_bytes, out.chunk_bytes) ||
      out.body_bytes != body_bytes_of(out))
    return fail(Errc::malformed);
  return {};
}

Result<void> read_encryption(const mpyd_v1_Manifest& m, Manifest& out) {
  if (m.encryption > 1) return fail(Errc::unsupported);
  out.encryption = static_cast<Encryption>(m.encryption);
  MPYD_TRY_ASSIGN(out.first_chunk_digest, pb::fixed_of<Digest>(m.first_chunk_digest));
  if (out.encryption == Encryption::none)
    return m.stream_header.size == 0 && m.commitment.size == 0 ? Result<void>{}
                                                               : fail(Errc::malformed);
  MPYD_TRY_ASSIGN(out.stream_header, pb::fixed_of<StreamHeader>(m.stream_header));
  MPYD_TRY_ASSIGN(out.commitment, pb::fixed_of<Digest>(m.commitment));
  return {};
}

}  // namespace

Result<Manifest> parse_manifest(Bytes bytes) {
  return made_in_place<Manifest>([&](Manifest& out) { return read_manifest(bytes, out); });
}

Result<void> read_manifest(Bytes bytes, Manifest& out) {
  if (bytes.size() > kManifestBytesMax) return fail(Errc::limit);
  mpyd_v1_Manifest m{};
  MPYD_TRY(pb::decode(bytes, mpyd_v1_Manifest_fields, m));
  MPYD_TRY(pb::check_format(m.format, m.min_reader));
  out.created_unix_s = m.created_unix_s;
  MPYD_TRY(read_identity(m, out));
  MPYD_TRY(read_encryption(m, out));
  return read_sizes(m, out);
}

Result<std::size_t> format_manifest(const Manifest& manifest, MutableBytes out) {
  mpyd_v1_Manifest m{};
  m.format = kFormat;
  pb::assign(m.driver_name, manifest.driver_name.view());
  pb::assign(m.version, manifest.version.view());
  pb::assign(m.hardware_id, manifest.hardware_id.view());
  m.release = manifest.release;
  m.revision_min = manifest.revision_min;
  m.revision_max = manifest.revision_max;
  m.has_abi = true;
  m.abi = abi_to_message(manifest.abi);
  m.driver_interface = manifest.driver_interface;
  for (const ModuleName& name : manifest.required_modules)
    pb::assign(m.required_modules[m.required_modules_count++], name.view());
  m.plain_bytes = manifest.plain_bytes;
  m.ram_bytes = manifest.ram_bytes;
  m.chunk_bytes = manifest.chunk_bytes;
  m.chunk_count = manifest.chunk_count;
  m.body_bytes = manifest.body_bytes;
  pb::assign(m.first_chunk_digest, manifest.first_chunk_digest.bytes());
  m.encryption = static_cast<std::uint32_t>(manifest.encryption);
  if (manifest.encryption == Encryption::secretstream) {
    pb::assign(m.stream_header, manifest.stream_header.bytes());
    pb::assign(m.commitment, manifest.commitment.bytes());
  }
  m.created_unix_s = manifest.created_unix_s;
  return pb::encode(m, mpyd_v1_Manifest_fields,
                    out.first(out.size() < kManifestBytesMax ? out.size() : kManifestBytesMax));
}

std::uint32_t chunk_count_of(std::uint32_t plain_bytes, std::uint32_t chunk_bytes) {
  return chunk_bytes == 0 ? 0 : (plain_bytes + chunk_bytes - 1) / chunk_bytes;
}

std::uint32_t wire_chunk_bytes(const Manifest& manifest, std::uint32_t index) {
  const std::uint32_t overhead = Digest::kSize + (manifest.encryption == Encryption::secretstream
                                                      ? std::uint32_t{crypto::kStreamOverhead}
                                                      : 0);
  const std::uint32_t before = index * manifest.chunk_bytes;
  const std::uint32_t left = manifest.plain_bytes - before;
  return (left < manifest.chunk_bytes ? left : manifest.chunk_bytes) + overhead;
}

std::uint32_t body_bytes_of(const Manifest& manifest) {
  const std::uint32_t count = chunk_count_of(manifest.plain_bytes, manifest.chunk_bytes);
  const std::uint32_t overhead =
      wire_chunk_bytes(manifest, 0) -
      (manifest.plain_bytes < manifest.chunk_bytes ? manifest.plain_bytes : manifest.chunk_bytes);
  return manifest.plain_bytes + count * overhead;
}

}  // namespace mpyd
