#include "server/services/packaging.hpp"

#include <algorithm>

#include "protocol/crypto.hpp"
#include "protocol/package/key_block.hpp"
#include "protocol/trust/verify.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/mpy.hpp"

namespace mpyd::server {
namespace {

using test::native_mpy;

Manifest manifest_for(const char* abi = "6.3-armv7m") {
  Manifest m;
  m.driver_name = parse_driver_name("thermo").value();
  m.version = parse_version("1.4.0").value();
  m.release = 14;
  m.hardware_id = HardwareId::parse("hat:Meadow%20Instruments:0042").value();
  m.revision_min = 2;
  m.revision_max = 7;
  m.abi = parse_abi(abi).value();
  m.abi.small_int_bits = 31;
  m.created_unix_s = 1767225600;
  return m;
}

struct Publisher {
  SigningKeyPair key = make_signing_key(KeyRole::publisher);
  ExchangeKeyPair server = make_exchange_key();

  Result<ByteVector> build(const ByteVector& mpy, bool is_public = false,
                           const Manifest& manifest = manifest_for()) const {
    const SigningKeyPair* keys[] = {&key};
    return build_package({.manifest = manifest,
                          .publishers = keys,
                          .recipients = {&server.public_key, 1},
                          .is_public = is_public},
                         mpy);
  }
};

TEST_CASE("a package opens to the driver it was built from, whatever its size") {
  const Publisher publisher;
  for (const std::size_t size : {64U, 255U, 2047U, 2048U, 2049U, 4096U, 70001U}) {
    for (const bool is_public : {false, true}) {
      CAPTURE(size, is_public);
      const ByteVector mpy = native_mpy(size);
      const ByteVector file = publisher.build(mpy, is_public).value();
      const auto parts = split_mpkg(file).value();
      REQUIRE(parts.size() == 1);
      CHECK(parts[0].key_block.empty() == is_public);
      const auto opened = open_package(parts[0].package, parts[0].key_block, publisher.server);
      REQUIRE(opened);
      CHECK(same_bytes(opened->plain.span(), mpy));
      CHECK(opened->plain_digest == crypto::sha256(mpy));
      CHECK(opened->digest == crypto::sha256(parts[0].package));
      CHECK(opened->manifest.ram_bytes == mpy::inspect(mpy)->ram_bytes);
      CHECK((*opened->content_key).is_zero() == is_public);
    }
  }
}

TEST_CASE("the publisher's signature covers the manifest as the trust rules read it") {
  const Publisher publisher;
  const ByteVector file = publisher.build(native_mpy(3000)).value();
  const auto checked = check_package(split_mpkg(file)->front().package).value();
  trust::PolicyEntry entry;
  entry.hardware_id = manifest_for().hardware_id;
  entry.driver_name = manifest_for().driver_name;
  entry.publisher_keys.push_back(publisher.key.public_key);
  std::array<std::byte, trust::kScratchBytes> scratch{};
  const auto verify = [&](const SigningKey& key) {
    entry.publisher_keys[0] = key;
    return trust::verify_release(checked.head, entry, {}, entry.hardware_id, 3,
                                 trust::PackageOrigin::network, scratch);
  };
  CHECK(verify(publisher.key.public_key));
  CHECK(!verify(make_signing_key(KeyRole::publisher).public_key));
}

TEST_CASE("an encrypted package shows nothing of the driver") {
  const Publisher publisher;
  ByteVector mpy = native_mpy(5000);
  const std::string_view marker = "a-secret-nobody-may-read";
  copy_bytes(as_bytes(marker), MutableBytes(mpy).subspan(3000));
  CHECK(as_text(publisher.build(mpy).value()).find(marker) == std::string_view::npos);
  CHECK(as_text(publisher.build(mpy, true).value()).find(marker) != std::string_view::npos);
}

TEST_CASE("no two packages share a content key, a stream header or an ephemeral key") {
  const Publisher publisher;
  const ByteVector mpy = native_mpy(100);
  const ByteVector one = publisher.build(mpy).value();
  const ByteVector two = publisher.build(mpy).value();
  const auto a = split_mpkg(one).value().front();
  const auto b = split_mpkg(two).value().front();
  const auto epk = [](Bytes block) {
    return test::copy(block.subspan(kKeyBlockFixedBytes + KeyId::kSize, ExchangeKey::kSize));
  };
  const auto first = open_package(a.package, a.key_block, publisher.server).value();
  const auto second = open_package(b.package, b.key_block, publisher.server).value();
  CHECK(*first.content_key != *second.content_key);
  CHECK(first.manifest.stream_header != second.manifest.stream_header);
  CHECK(epk(a.key_block) != epk(b.key_block));
  CHECK(first.digest != second.digest);
  CHECK(same_driver(first, second));
}

TEST_CASE("a package opens only with the server's key") {
  const Publisher publisher;
  const ByteVector file = publisher.build(native_mpy(100)).value();
  const auto part = split_mpkg(file)->front();
  CHECK(open_package(part.package, part.key_block, make_exchange_key()).error().code ==
        Errc::no_key);
  CHECK(open_package(part.package, {}, publisher.server).error().code == Errc::truncated);
}

TEST_CASE("a driver of another ABI than the manifest says is refused on both sides") {
  const Publisher publisher;
  const ByteVector mpy = native_mpy(100);
  CHECK(publisher.build(mpy, false, manifest_for("6.3-armv6m")).error().code == Errc::wrong_abi);
  Manifest bits = manifest_for();
  bits.abi.small_int_bits = 63;
  CHECK(publisher.build(mpy, false, bits).error().code == Errc::wrong_abi);
  CHECK(check_mpy(test::from_hex("4d 05 17 1f"), manifest_for().abi).error().code ==
        Errc::unsupported);
  CHECK(check_mpy(test::from_hex("4d 06"), manifest_for().abi).error().code == Errc::truncated);
  CHECK(check_mpy(ByteVector(kPlainBytesMax + 1), manifest_for().abi).error().code == Errc::limit);
}

TEST_CASE("the overhead of a 4 KiB driver with one recipient is at most 512 bytes") {
  const Publisher publisher;
  CHECK(publisher.build(native_mpy(4096)).value().size() - 4096 <= 512);
}

TEST_CASE("every flipped bit and every prefix of a package file is refused") {
  const Publisher publisher;
  const ByteVector file = publisher.build(native_mpy(400)).value();
  const auto opens = [&](Bytes bytes) {
    const auto parts = split_mpkg(bytes);
    if (!parts || parts->size() != 1) return false;
    const auto& part = parts->front();
    return open_package(part.package, part.key_block, publisher.server).has_value();
  };
  REQUIRE(opens(file));
  // A signature is judged by trust, not by opening: its bytes may differ here.
  const auto part = split_mpkg(file).value().front();
  const std::size_t body_offset = check_package(part.package)->head.body_offset;
  const std::size_t signature_at = body_offset - kPackageSignatureBytes;
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    if (bit / 8 >= signature_at && bit / 8 < body_offset) continue;
    CAPTURE(bit);
    CHECK(!opens(test::with_flipped_bit(file, bit)));
  }
  for (std::size_t size = 0; size < file.size(); ++size) CHECK(!opens(Bytes(file).first(size)));
}

TEST_CASE("bytes after a package are refused") {
  const Publisher publisher;
  ByteVector file = publisher.build(native_mpy(100), true).value();
  file.push_back(std::byte{0});
  CHECK(check_package(file).error().code == Errc::trailing);
  CHECK(!split_mpkg(file));
}

TEST_CASE("concatenated packages are split, each with its key block, and counted first") {
  const Publisher publisher;
  const ByteVector sealed = publisher.build(native_mpy(100)).value();
  const ByteVector open = publisher.build(native_mpy(200), true).value();
  const ByteVector file = test::concat(test::concat(sealed, open), sealed);
  const auto parts = split_mpkg(file).value();
  REQUIRE(parts.size() == 3);
  CHECK(same_bytes(parts[0].both(), sealed));
  CHECK(same_bytes(parts[1].both(), open));
  CHECK(parts[1].key_block.empty());
  CHECK(same_bytes(parts[2].both(), sealed));

  ByteVector many;
  for (std::size_t i = 0; i <= kPackagesPerFileMax; ++i)
    many.insert(many.end(), open.begin(), open.end());
  CHECK(split_mpkg(many).error().code == Errc::limit);
  CHECK(split_mpkg(Bytes(sealed).subspan(parts[0].package.size())).error().code == Errc::malformed);
}

TEST_CASE("a package needs a publisher and, unless public, a recipient") {
  const Publisher publisher;
  const ByteVector mpy = native_mpy(100);
  const SigningKeyPair* twice[] = {&publisher.key, &publisher.key};
  PackageRequest request{.manifest = manifest_for(),
                         .publishers = twice,
                         .recipients = {&publisher.server.public_key, 1}};
  CHECK(build_package(request, mpy).error().code == Errc::invalid_argument);
  request.publishers = {};
  CHECK(build_package(request, mpy).error().code == Errc::invalid_argument);
  request.publishers = std::span(twice).first(1);
  request.recipients = {};
  CHECK(build_package(request, mpy).error().code == Errc::invalid_argument);
}

TEST_CASE("packages differ when any field differs that is not of key or time") {
  const Manifest base = manifest_for();
  Manifest later = base;
  later.created_unix_s += 1;
  later.commitment.data[0] = std::byte{1};
  CHECK(same_fields(base, later));
  Manifest other = base;
  other.revision_max = 8;
  CHECK(!same_fields(base, other));
  other = base;
  other.abi.float_abi = FloatAbi::soft;
  CHECK(!same_fields(base, other));
  other = base;
  other.required_modules.push_back(ModuleName::make("machine").value());
  CHECK(!same_fields(base, other));
}

}  // namespace
}  // namespace mpyd::server
