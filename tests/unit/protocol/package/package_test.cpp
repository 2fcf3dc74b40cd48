#include "protocol/package/package.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/packages.hpp"

using namespace mpyd;
using mpyd::test::Buffer;
using mpyd::test::BuiltPackage;
using mpyd::test::MemorySource;

namespace {

constexpr std::uint32_t kChunk = 256;

BuiltPackage small_package(std::size_t plain_bytes, Encryption encryption,
                           const std::vector<test::Signer>& signers = {test::make_signer(1)}) {
  Manifest m = test::example_manifest();
  m.chunk_bytes = kChunk;
  m.encryption = encryption;
  return test::build_package(m, test::Random(plain_bytes).bytes(plain_bytes), signers);
}

ContentKey key_of(const BuiltPackage& package) {
  return package.manifest.encryption == Encryption::none ? ContentKey{} : package.content_key;
}

struct ReadResult {
  Buffer plain;  // everything that came out before the end or the error
  Result<void> end{};
};

// Reads to the end, and then once more: nothing may come out after an error or the end.
ReadResult read_all(const VerifiedPackage& verified, PackageSource& source) {
  Buffer buffer(kChunkBytesMax + crypto::kStreamOverhead + Digest::kSize);
  PackageReader reader(verified, source, buffer);
  ReadResult out;
  for (std::uint32_t i = 0; i <= verified.chunk_count + 1; ++i) {
    const auto chunk = reader.next();
    if (!chunk) {
      out.end = fail(chunk.error());
      const auto again = reader.next();
      REQUIRE(!again);
      CHECK(again.error() == chunk.error());
      return out;
    }
    if (chunk->empty()) break;
    out.plain.insert(out.plain.end(), chunk->begin(), chunk->end());
  }
  CHECK(reader.next()->empty());
  return out;
}

ReadResult read_package(const BuiltPackage& package, Bytes bytes) {
  const PackageHead head = parse_package_head(package.bytes).value();
  MemorySource source(bytes);
  return read_all(make_verified(head, key_of(package)), source);
}

Result<void> feed_all(ChainVerifier& verifier, Bytes body, std::size_t piece) {
  for (std::size_t at = 0; at < body.size(); at += piece)
    MPYD_TRY(verifier.feed(body.subspan(at, std::min(piece, body.size() - at))));
  return {};
}

// `got` is `all` up to some chunk boundary.
bool is_prefix_of_whole_chunks(Bytes got, Bytes all) {
  return got.size() <= all.size() && same_bytes(got, all.first(got.size())) &&
         (got.size() == all.size() || got.size() % kChunk == 0);
}

const Encryption kBoth[] = {Encryption::secretstream, Encryption::none};

}  // namespace

TEST_CASE("a package of any size goes through both passes and comes out as it went in") {
  std::vector<std::size_t> sizes = {1, 2, 100};
  for (std::size_t n = 1; n <= 4; ++n) {
    sizes.push_back(n * kChunk - 1);
    sizes.push_back(n * kChunk);
    sizes.push_back(n * kChunk + 1);
  }
  for (Encryption encryption : kBoth) {
    for (std::size_t size : sizes) {
      INFO(size << " bytes");
      const BuiltPackage package = small_package(size, encryption);
      const auto head = parse_package_head(package.bytes);
      REQUIRE(head);
      CHECK(head->package_bytes == package.bytes.size());
      CHECK(head->body_offset + head->manifest.body_bytes == package.bytes.size());
      CHECK(head->manifest_digest == crypto::sha256(package.manifest_bytes));
      ChainVerifier verifier(head->manifest);
      REQUIRE(feed_all(verifier, package.body(), package.bytes.size()));
      CHECK(verifier.complete());
      CHECK(verifier.chunks_verified() == head->manifest.chunk_count);
      const ReadResult read = read_package(package, package.bytes);
      REQUIRE(read.end);
      CHECK(same_bytes(read.plain, package.plain));
    }
  }
}

TEST_CASE("pass 1 takes pieces of any size") {
  const BuiltPackage package = small_package(3 * kChunk + 1, Encryption::secretstream);
  for (std::size_t piece = 1; piece <= 400; ++piece) {
    ChainVerifier verifier(package.manifest);
    REQUIRE(feed_all(verifier, package.body(), piece));
    CHECK(verifier.complete());
  }
  test::Random random(5);
  for (int i = 0; i < 100; ++i) {
    ChainVerifier verifier(package.manifest);
    Bytes rest = package.body();
    while (!rest.empty()) {
      const std::size_t take = std::min(random.below(500), rest.size());
      REQUIRE(verifier.feed(rest.first(take)));
      rest = rest.subspan(take);
    }
    CHECK(verifier.complete());
  }
}

TEST_CASE("the ciphertext tells nothing of the driver, and public packages hold it as it is") {
  Manifest m = test::example_manifest();
  const Buffer plain(1000, std::byte{'A'});
  const auto holds_plain = [&](const BuiltPackage& package) {
    return as_text(package.bytes).find(std::string(16, 'A')) != std::string_view::npos;
  };
  CHECK(!holds_plain(test::build_package(m, plain, {})));
  m.encryption = Encryption::none;
  CHECK(holds_plain(test::build_package(m, plain, {})));
}

TEST_CASE("A02 pass 1 stops at the first chunk with a flipped bit, and stays stopped") {
  for (Encryption encryption : kBoth) {
    const BuiltPackage package = small_package(2 * kChunk + 60, encryption);
    const std::uint32_t wire = wire_chunk_bytes(package.manifest, 0);
    for (std::size_t bit = 0; bit < package.body().size() * 8; ++bit) {
      const Buffer body = test::with_flipped_bit(package.body(), bit);
      ChainVerifier verifier(package.manifest);
      const auto fed = verifier.feed(body);
      if (fed || fed.error() != Errc::bad_digest || verifier.complete() ||
          verifier.chunks_verified() != bit / 8 / wire)
        FAIL("bit " << bit);
      if (verifier.feed(package.body()).has_value()) FAIL("went on after bit " << bit);
    }
  }
}

TEST_CASE("A25 pass 2 lets no byte of a chunk with a flipped bit out, nor anything after it") {
  for (Encryption encryption : kBoth) {
    const BuiltPackage package = small_package(2 * kChunk + 60, encryption);
    const PackageHead head = parse_package_head(package.bytes).value();
    const VerifiedPackage verified = make_verified(head, key_of(package));
    const std::uint32_t wire = wire_chunk_bytes(package.manifest, 0);
    for (std::size_t bit = 0; bit < package.body().size() * 8; ++bit) {
      INFO("bit " << bit);
      Buffer bytes = test::with_flipped_bit(package.bytes, head.body_offset * 8 + bit);
      MemorySource source(bytes);
      const ReadResult read = read_all(verified, source);
      if (read.end || read.end.error() != Errc::bad_digest) FAIL("not detected");
      if (read.plain.size() != bit / 8 / wire * kChunk) FAIL("too much or too little came out");
      if (!same_bytes(read.plain, Bytes(package.plain).first(read.plain.size())))
        FAIL("wrong bytes");
    }
  }
}

TEST_CASE("A25 pass 2 never reads the head again") {
  const BuiltPackage package = small_package(700, Encryption::secretstream);
  Buffer bytes = package.bytes;
  std::fill(bytes.begin(),
            bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() - package.body().size()),
            std::byte{0xee});
  const ReadResult read = read_package(package, bytes);
  REQUIRE(read.end);
  CHECK(same_bytes(read.plain, package.plain));
}

TEST_CASE("a wrong content key lets nothing out although the chain is right") {
  const BuiltPackage package = small_package(700, Encryption::secretstream);
  const PackageHead head = parse_package_head(package.bytes).value();
  MemorySource source(package.bytes);
  const ReadResult read = read_all(make_verified(head, test::random_fixed<ContentKey>(99)), source);
  REQUIRE(!read.end);
  CHECK(read.end.error() == Errc::decryption);
  CHECK(read.plain.empty());
}

TEST_CASE("A12 bytes after the last chunk are refused in pass 1") {
  for (Encryption encryption : kBoth) {
    const BuiltPackage package = small_package(300, encryption);
    ChainVerifier verifier(package.manifest);
    REQUIRE(verifier.feed(package.body()));
    CHECK(verifier.complete());
    CHECK(verifier.feed(as_bytes("x")).error() == Errc::trailing);
    ChainVerifier at_once(package.manifest);
    CHECK(at_once.feed(test::concat(package.body(), as_bytes("x"))).error() == Errc::trailing);
    CHECK(ChainVerifier().feed(as_bytes("x")).error() == Errc::trailing);
  }
}

TEST_CASE("a truncated package is never complete in pass 1 and an error in pass 2") {
  for (Encryption encryption : kBoth) {
    const BuiltPackage package = small_package(2 * kChunk + 10, encryption);
    for (std::size_t size = 0; size < package.body().size(); ++size) {
      INFO("body cut to " << size);
      ChainVerifier verifier(package.manifest);
      REQUIRE(verifier.feed(package.body().first(size)));
      CHECK(!verifier.complete());
      const std::size_t missing = package.body().size() - size;
      const ReadResult read =
          read_package(package, Bytes(package.bytes).first(package.bytes.size() - missing));
      REQUIRE(!read.end);
      CHECK(read.end.error() == Errc::truncated);
      CHECK(is_prefix_of_whole_chunks(read.plain, package.plain));
    }
  }
}

TEST_CASE("A15 chunks cannot be swapped, repeated or left out") {
  for (Encryption encryption : kBoth) {
    const BuiltPackage package = small_package(3 * kChunk, encryption);
    const std::size_t wire = wire_chunk_bytes(package.manifest, 0);
    const auto chunk = [&](std::size_t i) { return package.body().subspan(i * wire, wire); };
    const std::vector<std::vector<std::size_t>> kOrders = {
        {1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {0, 0, 2}, {0, 1, 1}, {1, 2, 2}, {0, 2, 2}};
    for (const auto& order : kOrders) {
      Buffer body;
      for (std::size_t i : order) body = test::concat(body, chunk(i));
      ChainVerifier verifier(package.manifest);
      CHECK(verifier.feed(body).error() == Errc::bad_digest);
      CHECK(!verifier.complete());
      const Bytes head = Bytes(package.bytes).first(package.bytes.size() - body.size());
      const ReadResult read = read_package(package, test::concat(head, body));
      REQUIRE(!read.end);
      CHECK(read.end.error() == Errc::bad_digest);
      CHECK(is_prefix_of_whole_chunks(read.plain, package.plain));
    }
  }
}

TEST_CASE("A31 a stream whose final tag stands at another chunk is refused") {
  // The publisher's chain is right here, and only the stream inside is wrong: TAG_FINAL missing at
  // the end, or in the middle.
  const Buffer plain = test::Random(4).bytes(2 * kChunk);
  for (const bool early : {true, false}) {
    Manifest m = test::example_manifest();
    m.chunk_bytes = kChunk;
    BuiltPackage package = test::build_package(m, plain, {});
    const std::size_t wire = wire_chunk_bytes(m = package.manifest, 0);
    Buffer body(m.body_bytes);
    crypto::StreamPush stream(package.content_key, m.stream_header);
    for (std::size_t i = 0; i < 2; ++i)
      stream.push(Bytes(plain).subspan(i * kChunk, kChunk), early && i == 0,
                  MutableBytes(body).subspan(i * wire, wire - Digest::kSize));
    const Digest second = crypto::sha256(Bytes(body).subspan(wire));
    copy_bytes(second.bytes(), MutableBytes(body).subspan(wire - Digest::kSize));
    VerifiedPackage verified = make_verified(
        parse_package_head(test::build_package(m, plain, {test::make_signer(1)}).bytes).value(),
        package.content_key);
    verified.body_offset = 0;
    verified.first_chunk_digest = crypto::sha256(Bytes(body).first(wire));
    MemorySource source(body);
    const ReadResult read = read_all(verified, source);
    REQUIRE(!read.end);
    CHECK(read.end.error() == Errc::decryption);
    CHECK(read.plain.size() == (early ? 0 : kChunk));
  }
}

TEST_CASE("a chain that goes on after its last chunk is refused") {
  const BuiltPackage package = small_package(10, Encryption::none);
  Buffer body = test::copy(package.body());
  body.back() = std::byte{1};
  Manifest m = package.manifest;
  m.first_chunk_digest = crypto::sha256(body);
  ChainVerifier verifier(m);
  CHECK(verifier.feed(body).error() == Errc::bad_digest);
  CHECK(!verifier.complete());
}

TEST_CASE("a buffer that is too small and a source that fails are errors, and stay errors") {
  const BuiltPackage package = small_package(2 * kChunk, Encryption::secretstream);
  const VerifiedPackage verified =
      make_verified(parse_package_head(package.bytes).value(), package.content_key);
  MemorySource source(package.bytes);
  const std::size_t need = kChunk + crypto::kStreamOverhead + Digest::kSize;
  Buffer small(need - 1);
  PackageReader reader(verified, source, small);
  CHECK(reader.next().error() == Errc::limit);
  CHECK(reader.next().error() == Errc::limit);
  Buffer enough(need);
  CHECK(PackageReader(verified, source, enough).next()->size() == kChunk);

  struct Unplugged final : PackageSource {
    Result<void> read(std::uint32_t, MutableBytes) override { return fail(Errc::no_device); }
  } unplugged;
  PackageReader gone(verified, unplugged, enough);
  CHECK(gone.next().error() == Errc::no_device);
  CHECK(gone.next().error() == Errc::no_device);
}

TEST_CASE("A26 a source that recovers after a failure does not revive the reader") {
  const BuiltPackage package = small_package(2 * kChunk, Encryption::secretstream);
  struct Flaky final : PackageSource {
    explicit Flaky(Bytes bytes) : memory(bytes) {}
    Result<void> read(std::uint32_t offset, MutableBytes out) override {
      return ++reads == 2 ? fail(Errc::io) : memory.read(offset, out);
    }
    MemorySource memory;
    int reads = 0;
  } flaky(package.bytes);
  const ReadResult read = read_all(
      make_verified(parse_package_head(package.bytes).value(), package.content_key), flaky);
  REQUIRE(!read.end);
  CHECK(read.end.error() == Errc::io);
  CHECK(read.plain.size() == kChunk);
  CHECK(flaky.reads == 2);
}

TEST_CASE("wiping a reader leaves no plaintext in its buffer") {
  const BuiltPackage package = small_package(kChunk, Encryption::secretstream);
  const VerifiedPackage verified =
      make_verified(parse_package_head(package.bytes).value(), package.content_key);
  MemorySource source(package.bytes);
  Buffer buffer(kChunk + 49);
  PackageReader reader(verified, source, buffer);
  REQUIRE(reader.next());
  reader.wipe();
  CHECK(buffer == Buffer(buffer.size()));
}

TEST_CASE("every prefix of a head is truncated, and the head tells its size early") {
  const BuiltPackage package =
      small_package(50, Encryption::secretstream, {test::make_signer(1), test::make_signer(2)});
  const std::size_t head_bytes = package.bytes.size() - package.body().size();
  CHECK(package_head_bytes(Bytes(package.bytes).first(13)) == head_bytes);
  for (std::size_t size = 0; size < head_bytes; ++size) {
    INFO(size);
    CHECK(parse_package_head(Bytes(package.bytes).first(size)).error() == Errc::truncated);
  }
  const auto head = parse_package_head(Bytes(package.bytes).first(head_bytes));
  REQUIRE(head);
  REQUIRE(head->signatures.size() == 2);
  CHECK(head->signatures[1].key_id == key_id(test::make_signer(2).key.bytes()));
}

TEST_CASE("A30 signatures and manifest of a head are counted before anything looks at them") {
  const BuiltPackage package = small_package(50, Encryption::secretstream);
  const auto error_with = [&](std::size_t at, std::uint32_t value, bool wide = false) {
    Buffer bytes = package.bytes;
    if (wide)
      store_le16(bytes, at, value);
    else
      store_u8(bytes, at, value);
    const auto size = package_head_bytes(bytes);
    const auto head = parse_package_head(bytes);
    REQUIRE(!head);
    if (!size) CHECK(size.error() == head.error());
    return head.error();
  };
  CHECK(error_with(4, 2) == Errc::bad_magic);    // a key block is no package
  CHECK(error_with(4, 9) == Errc::unsupported);  // a kind nobody knows
  CHECK(error_with(9, kFormat + 1) == Errc::unsupported);
  CHECK(error_with(10, 5) == Errc::limit);
  CHECK(error_with(10, 255) == Errc::limit);
  CHECK(error_with(10, 0) == Errc::malformed);
  CHECK(error_with(11, kManifestBytesMax + 1, true) == Errc::limit);
  CHECK(error_with(11, 0xffff, true) == Errc::limit);
  CHECK(error_with(11, 0, true) == Errc::malformed);
  CHECK(error_with(5, load_u8(package.bytes, 5) + 1) == Errc::malformed);  // A29 record length
  CHECK(error_with(5, load_u8(package.bytes, 5) - 1) == Errc::malformed);
}

TEST_CASE(
    "overhead of a 4 KiB driver with one recipient is at most 512 bytes, key block included") {
  Manifest m = test::example_manifest();
  m.required_modules.push_back(ModuleName::make("machine").value());
  m.release = 1000000;
  m.ram_bytes = 1 << 19;
  const BuiltPackage package =
      test::build_package(m, test::Random(1).bytes(4096), {test::make_signer(1)});
  const Buffer key_block = test::build_key_block(package, {test::make_exchange_pair(1).key});
  const std::size_t overhead = package.bytes.size() + key_block.size() - package.plain.size();
  INFO(overhead << " bytes");
  CHECK(overhead <= 512);
}

TEST_CASE("the writer refuses what no reader would accept") {
  Manifest m = test::example_manifest();
  CHECK(prepare_manifest(m, {}).error() == Errc::malformed);
  CHECK(prepare_manifest(m, Buffer(kPlainBytesMax + 1)).error() == Errc::limit);
  CHECK(prepare_manifest(m, Buffer(kPlainBytesMax)));
  for (std::uint32_t chunk_bytes : {0U, 255U, 4097U, 0xffffffffU}) {
    m.chunk_bytes = chunk_bytes;
    CHECK(prepare_manifest(m, as_bytes("M")).error() == Errc::limit);
  }
  m.chunk_bytes = 256;
  Buffer body(1 + 49 + 1);
  CHECK(write_body(m, as_bytes("M"), {}, {}, body).error() == Errc::limit);
  CHECK(write_body(m, as_bytes("M"), {}, {}, MutableBytes(body).first(50)));

  Buffer out(kPackageHeadBytesMax);
  const std::vector<PackageSignature> five(5);
  CHECK(format_package_head(as_bytes("m"), 1, five, out).error() == Errc::limit);
  CHECK(format_package_head(Buffer(kManifestBytesMax + 1), 1, {}, out).error() == Errc::limit);
  CHECK(format_package_head(Buffer(kManifestBytesMax), 1, std::span(five).first(4), out) ==
        kPackageHeadBytesMax);
  Buffer message(kManifestMessageMax);
  CHECK(manifest_message(Buffer(kManifestBytesMax), message));
  CHECK(manifest_message(as_bytes("mm"), MutableBytes(message).first(18)).error() == Errc::limit);
  CHECK(manifest_message(as_bytes("mm"), message) == 19);
  CHECK(as_text(Bytes(message).first(19)) == std::string_view("mpyd manifest v1\0mm", 19));
}
