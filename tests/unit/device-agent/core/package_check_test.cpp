#include "device-agent/core/package_check.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/packages.hpp"

namespace mpyd::test {
namespace {

using agent::PackageCheck;

BuiltPackage example() {
  Manifest manifest = example_manifest();
  manifest.chunk_bytes = kChunkBytesMin;
  return build_package(manifest, Random(1).bytes(600), {make_signer(3), make_signer(4)});
}

// Feeds in pieces; approves when asked.
Result<void> feed_all(PackageCheck& check, Bytes bytes, std::size_t piece) {
  while (!bytes.empty()) {
    Bytes part = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(part.size());
    while (!part.empty()) {
      MPYD_TRY_ASSIGN(const std::size_t taken, check.feed(part));
      part = part.subspan(taken);
      if (check.stage() == PackageCheck::Stage::approval) check.approve();
    }
  }
  return {};
}

TEST_CASE("a good package passes in pieces of any size and has its own digest") {
  const BuiltPackage package = example();
  for (std::size_t piece : {1u, 7u, 12u, 13u, 14u, 255u, 2048u, 100'000u}) {
    Buffer head(kPackageHeadBytesMax);
    PackageCheck check;
    check.start(head);
    REQUIRE(feed_all(check, package.bytes, piece));
    CHECK(check.stage() == PackageCheck::Stage::complete);
    CHECK(check.bytes_taken() == package.bytes.size());
    CHECK(check.finish_digest() == package.name());
  }
}

TEST_CASE("nothing of the body is taken before the head is approved") {
  const BuiltPackage package = example();
  Buffer head(kPackageHeadBytesMax);
  PackageCheck check;
  check.start(head);
  const std::size_t taken = check.feed(package.bytes).value();
  CHECK(taken == package.bytes.size() - package.manifest.body_bytes);
  CHECK(check.stage() == PackageCheck::Stage::approval);
  CHECK(check.head().manifest.release == package.manifest.release);
  CHECK(check.feed(package.body()).value() == 0);
}

TEST_CASE("every proper prefix is incomplete and what follows the end is refused") {
  const BuiltPackage package = example();
  for (std::size_t size = 0; size < package.bytes.size(); size += 13) {
    Buffer head(kPackageHeadBytesMax);
    PackageCheck check;
    check.start(head);
    REQUIRE(feed_all(check, Bytes(package.bytes).first(size), 64));
    CHECK(check.stage() != PackageCheck::Stage::complete);
  }
  Buffer head(kPackageHeadBytesMax);
  PackageCheck check;
  check.start(head);
  REQUIRE(feed_all(check, package.bytes, 64));
  const Buffer more(1);
  CHECK(check.feed(more).error() == Errc::trailing);
}

}  // namespace
}  // namespace mpyd::test
