// What a publisher signs of one variant.
#pragma once

#include "protocol/abi.hpp"
#include "protocol/digest.hpp"
#include "protocol/hardware_id.hpp"
#include "protocol/limits.hpp"
#include "protocol/version.hpp"

namespace mpyd {

enum class Encryption : std::uint8_t { none = 0, secretstream = 1 };

using ModuleName = InlineText<kModuleNameMax>;

struct Manifest {
  DriverName driver_name;
  VersionText version;
  std::uint32_t release = 0;
  HardwareId hardware_id;
  std::uint32_t revision_min = 0;
  std::uint32_t revision_max = 0xffffffff;
  Abi abi;
  std::uint32_t driver_interface = kDriverInterface;
  InlineVector<ModuleName, kRequiresMax> required_modules;
  std::uint32_t plain_bytes = 0;
  std::uint32_t ram_bytes = 0;
  std::uint32_t chunk_bytes = kChunkBytesDefault;
  std::uint32_t chunk_count = 0;
  std::uint32_t body_bytes = 0;
  Digest first_chunk_digest;
  Encryption encryption = Encryption::secretstream;
  StreamHeader stream_header;
  Digest commitment;
  std::uint64_t created_unix_s = 0;
};

// Parses and checks that the fields agree with one another: sizes follow from plain_bytes,
// chunk_bytes and encryption; names are valid; ranges are not empty.
// Errors: malformed, limit, unsupported (format, min_reader or driver interface).
Result<Manifest> parse_manifest(Bytes bytes);
Result<void> read_manifest(Bytes bytes, Manifest& out);  // into a fresh one, for small stacks

// Errors: limit if it needs more than kManifestBytesMax or `out`. Returns the bytes written.
Result<std::size_t> format_manifest(const Manifest& manifest, MutableBytes out);

// Sizes that follow from the others.
std::uint32_t chunk_count_of(std::uint32_t plain_bytes, std::uint32_t chunk_bytes);
// Bytes of wire chunk `index`: plaintext, AEAD overhead if encrypted, digest of the next.
std::uint32_t wire_chunk_bytes(const Manifest& manifest, std::uint32_t index);
std::uint32_t body_bytes_of(const Manifest& manifest);

}  // namespace mpyd
