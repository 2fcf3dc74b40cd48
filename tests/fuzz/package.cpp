// A package: its head, its chain, both passes, and what the writer makes of the same bytes.
#include "protocol/package/package.hpp"

#include "tests/fuzz/fuzz.hpp"
#include "tests/support/packages.hpp"

using namespace mpyd;

namespace {

void check_manifest_round_trip(const PackageHead& head) {
  std::array<std::byte, kManifestBytesMax> buffer{};
  const auto size = format_manifest(head.manifest, buffer);
  FUZZ_CHECK(size);
  const auto again = parse_manifest(Bytes(buffer).first(*size));
  FUZZ_CHECK(again);
  FUZZ_CHECK(again->driver_name == head.manifest.driver_name);
  FUZZ_CHECK(again->hardware_id == head.manifest.hardware_id);
  FUZZ_CHECK(again->body_bytes == head.manifest.body_bytes);
  FUZZ_CHECK(again->first_chunk_digest == head.manifest.first_chunk_digest);
}

// The plaintext, or nothing if the second pass refuses.
std::optional<test::Buffer> read_plain(const PackageHead& head, const ContentKey& key, Bytes file) {
  const VerifiedPackage verified = make_verified(head, key);
  test::MemorySource source(file);
  std::array<std::byte, kChunkBytesMax + 64> buffer{};
  PackageReader reader(verified, source, buffer);
  test::Buffer plain;
  for (;;) {
    const auto chunk = reader.next();
    if (!chunk) return std::nullopt;
    if (chunk->empty()) return plain;
    plain.insert(plain.end(), chunk->begin(), chunk->end());
  }
}

// In pieces of `step` bytes; true if the whole chain holds.
bool chain_holds(const PackageHead& head, Bytes body, std::size_t step) {
  ChainVerifier chain(head.manifest);
  while (!body.empty()) {
    const Bytes piece = body.first(std::min(step, body.size()));
    if (!chain.feed(piece)) return false;
    body = body.subspan(piece.size());
  }
  return chain.complete();
}

void read_hostile(Bytes file) {
  const auto head = parse_package_head(file);
  if (!head) return;
  FUZZ_CHECK(head->body_offset <= kPackageHeadBytesMax);
  check_manifest_round_trip(*head);
  if (file.size() < head->package_bytes) return;
  const Bytes body = file.subspan(head->body_offset);
  const bool holds = chain_holds(*head, body, 61);
  FUZZ_CHECK(holds == chain_holds(*head, body, body.size() + 1));
  const auto plain = read_plain(*head, {}, file);
  if (plain) FUZZ_CHECK(plain->size() == head->manifest.plain_bytes);
  if (holds && head->manifest.encryption == Encryption::none) FUZZ_CHECK(plain);
}

// What the writer made is read back; with one bit of the body changed it is not.
void write_and_damage(fuzz::Input input) {
  static const std::vector<test::Signer> kSigners = {test::make_signer(1)};
  Manifest manifest = test::example_manifest();
  manifest.chunk_bytes = kChunkBytesMin + input.u16() % (kChunkBytesMax - kChunkBytesMin + 1);
  manifest.encryption = (input.byte() & 1) != 0 ? Encryption::none : Encryption::secretstream;
  const std::uint32_t damage = input.u16();
  const unsigned bit = input.byte() % 8;
  if (input.rest().empty()) return;
  test::BuiltPackage built = test::build_package(manifest, input.rest(), kSigners);
  const auto head = parse_package_head(built.bytes);
  FUZZ_CHECK(head);
  FUZZ_CHECK(head->package_bytes == built.bytes.size());
  FUZZ_CHECK(chain_holds(*head, built.body(), 97));
  FUZZ_CHECK(read_plain(*head, built.content_key, built.bytes) == built.plain);
  const std::size_t at = head->body_offset + damage % head->manifest.body_bytes;
  built.bytes[at] ^= std::byte(1U << bit);
  FUZZ_CHECK(!chain_holds(*head, built.body(), 97));
  FUZZ_CHECK(!read_plain(*head, built.content_key, built.bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  if ((input.byte() & 1) != 0)
    write_and_damage(input);
  else
    read_hostile(input.rest());
  return 0;
}
