#include "protocol/package/key_block.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/packages.hpp"

using namespace mpyd;
using mpyd::test::Buffer;
using mpyd::test::BuiltPackage;
using mpyd::test::ExchangePair;

namespace {

const BuiltPackage& example() {
  static const BuiltPackage kPackage =
      test::build_package(test::example_manifest(), as_bytes("driver"), {});
  return kPackage;
}

Digest manifest_digest() { return crypto::sha256(example().manifest_bytes); }

Result<ContentKey> open_block(Bytes block, const ExchangePair& pair) {
  return open_content_key(block, pair.secret, pair.key, manifest_digest(),
                          example().manifest.commitment);
}

constexpr std::size_t kEpkAt = kKeyBlockFixedBytes + KeyId::kSize;

}  // namespace

TEST_CASE("a content key sealed to up to eight recipients opens for each of them") {
  for (std::size_t count : {1, 2, 8}) {
    std::vector<ExchangePair> pairs;
    std::vector<ExchangeKey> recipients;
    for (std::size_t i = 0; i < count; ++i) {
      pairs.push_back(test::make_exchange_pair(i));
      recipients.push_back(pairs.back().key);
    }
    const Buffer block = test::build_key_block(example(), recipients);
    CHECK(key_block_bytes(block) == block.size());
    for (const ExchangePair& pair : pairs) {
      CHECK(has_recipient(block, key_id(pair.key.bytes())));
      CHECK(open_block(block, pair) == example().content_key);
    }
  }
}

TEST_CASE("an entry takes 88 bytes") { CHECK(kKeyEntryBytes == 88); }

TEST_CASE("A23 somebody else's secret key opens nothing") {
  const ExchangePair alice = test::make_exchange_pair(1);
  const ExchangePair mallory = test::make_exchange_pair(2);
  const Buffer block = test::build_key_block(example(), {alice.key});
  CHECK(!has_recipient(block, key_id(mallory.key.bytes())));
  CHECK(open_block(block, mallory).error() == Errc::no_key);
  // Claiming to be the recipient does not help without the secret.
  CHECK(open_block(block, {mallory.secret, alice.key}).error() == Errc::no_key);
}

TEST_CASE("A31 a key block does not fit another package: manifest and commitment are bound") {
  const ExchangePair pair = test::make_exchange_pair(1);
  const Buffer block = test::build_key_block(example(), {pair.key});
  const Digest other = test::random_fixed<Digest>(5);
  const auto open_with = [&](const Digest& manifest, const Digest& commitment) {
    return open_content_key(block, pair.secret, pair.key, manifest, commitment);
  };
  REQUIRE(open_with(manifest_digest(), example().manifest.commitment));
  CHECK(open_with(other, example().manifest.commitment).error() == Errc::no_key);
  CHECK(open_with(manifest_digest(), other).error() == Errc::no_key);
  // A well-sealed entry with another key than the manifest committed to.
  BuiltPackage lying = example();
  lying.content_key = test::random_fixed<ContentKey>(6);
  CHECK(open_block(test::build_key_block(lying, {pair.key}), pair).error() == Errc::no_key);
}

TEST_CASE("the commitment is SHA-256 over its prefix and the key") {
  const ContentKey key = example().content_key;
  CHECK(commitment_of(key) ==
        crypto::sha256(test::concat(as_bytes("mpyd commit v1"), key.bytes())));
  CHECK(key_id(key.bytes()) == KeyId::from(crypto::sha256(key.bytes()).bytes().first(8)).value());
}

TEST_CASE("an entry is sealed as the format says") {
  const ExchangePair recipient = test::make_exchange_pair(1);
  const ExchangePair ephemeral = test::make_exchange_pair(2);
  Buffer entry(kKeyEntryBytes);
  REQUIRE(seal_content_key(example().content_key, recipient.key, ephemeral.secret,
                           manifest_digest(), entry));
  const KeyId id = key_id(recipient.key.bytes());
  CHECK(same_bytes(Bytes(entry).first(8), id.bytes()));
  CHECK(same_bytes(Bytes(entry).subspan(8, 32), ephemeral.key.bytes()));

  SharedKey product;
  REQUIRE(crypto::x25519(ephemeral.secret, recipient.key, product));
  Buffer input = test::concat(as_bytes("mpyd key v1"), product.bytes());
  input = test::concat(test::concat(input, ephemeral.key.bytes()), recipient.key.bytes());
  const Buffer ad = test::concat(manifest_digest().bytes(), id.bytes());
  const Nonce zero;
  Buffer opened(32);
  REQUIRE(crypto_aead_xchacha20poly1305_ietf_decrypt(
              u8(MutableBytes(opened)), nullptr, nullptr, u8(Bytes(entry).subspan(40)), 48,
              u8(Bytes(ad)), ad.size(), u8(zero.bytes()), u8(crypto::sha256(input).bytes())) == 0);
  CHECK(same_bytes(opened, example().content_key.bytes()));
}

TEST_CASE("A02 every bit flip of a key block fails cleanly") {
  const ExchangePair pair = test::make_exchange_pair(1);
  const Buffer block = test::build_key_block(example(), {pair.key});
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    // X25519 ignores the top bit of a point by its definition, but the entry's key hashes it.
    const auto opened = open_block(test::with_flipped_bit(block, bit), pair);
    if (opened) FAIL("bit " << bit);
  }
}

TEST_CASE("every prefix of a key block is truncated, and more behind it is not its business") {
  const ExchangePair pair = test::make_exchange_pair(1);
  const Buffer block = test::build_key_block(example(), {pair.key});
  for (std::size_t size = 0; size < block.size(); ++size) {
    CHECK(open_block(Bytes(block).first(size), pair).error() == Errc::truncated);
    CHECK(!has_recipient(Bytes(block).first(size), key_id(pair.key.bytes())));
  }
  CHECK(open_block(test::concat(block, as_bytes("more")), pair) == example().content_key);
}

TEST_CASE("A30 entries of a key block are counted before any cryptography") {
  const ExchangePair pair = test::make_exchange_pair(1);
  Buffer block = test::build_key_block(example(), {pair.key});
  const auto with_count = [&](std::uint32_t count, std::uint32_t length) {
    Buffer out = block;
    store_u8(out, kRecordHeaderBytes + 1, count);
    store_le32(out, 5, length);
    return open_block(out, pair).error();
  };
  CHECK(with_count(9, 2 + 9 * 88) == Errc::limit);
  CHECK(with_count(255, 2 + 255 * 88) == Errc::limit);
  CHECK(with_count(8, 2 + 8 * 88) == Errc::truncated);
  CHECK(with_count(0, 2) == Errc::no_key);
  CHECK(with_count(1, 2 + 2 * 88) == Errc::malformed);
  CHECK(with_count(2, 2 + 88) == Errc::malformed);
  CHECK(with_count(1, 0xffffffff) == Errc::malformed);
  store_u8(block, kRecordHeaderBytes, kFormat + 1);
  CHECK(with_count(1, 2 + 88) == Errc::unsupported);

  Buffer out(2000);
  CHECK(format_key_block(Buffer(9 * kKeyEntryBytes), out).error() == Errc::limit);
  CHECK(format_key_block(Buffer(kKeyEntryBytes + 1), out).error() == Errc::malformed);
  CHECK(format_key_block(Buffer(kKeyEntryBytes), MutableBytes(out).first(98)).error() ==
        Errc::limit);
  CHECK(format_key_block(Buffer(8 * kKeyEntryBytes), out) == kKeyBlockBytesMax);
}

TEST_CASE("A30 only the first entry that names a recipient is tried") {
  const ExchangePair pair = test::make_exchange_pair(1);
  Buffer block = test::build_key_block(example(), {pair.key, pair.key});
  REQUIRE(open_block(block, pair));
  block[kKeyBlockFixedBytes + kKeyEntryBytes - 1] ^= std::byte{1};
  CHECK(open_block(block, pair).error() == Errc::no_key);
}

TEST_CASE("A39 an ephemeral or recipient key of small order is refused") {
  const ExchangePair pair = test::make_exchange_pair(1);
  const Buffer good = test::build_key_block(example(), {pair.key});
  for (std::string_view hex : test::small_order_exchange_keys()) {
    INFO(hex);
    const auto point = test::fixed_from_hex<ExchangeKey>(hex);
    SharedKey product;
    CHECK(!crypto::x25519(pair.secret, point, product));
    CHECK(!crypto::box_key(pair.secret, point, product));
    Buffer entry(kKeyEntryBytes);
    CHECK(seal_content_key(example().content_key, point, pair.secret, manifest_digest(), entry)
              .error() == Errc::malformed);

    // An entry that would open if the all-zero product were used as a key.
    Buffer block = good;
    copy_bytes(point.bytes(), MutableBytes(block).subspan(kEpkAt));
    const Buffer input =
        test::concat(test::concat(test::concat(as_bytes("mpyd key v1"), Buffer(32)), point.bytes()),
                     pair.key.bytes());
    const auto weak_key = SharedKey::from(crypto::sha256(input).bytes()).value();
    const KeyId id = key_id(pair.key.bytes());
    crypto::aead_seal(weak_key, Nonce{}, test::concat(manifest_digest().bytes(), id.bytes()),
                      example().content_key.bytes(),
                      MutableBytes(block).subspan(kEpkAt + ExchangeKey::kSize, 48));
    CHECK(open_block(block, pair).error() == Errc::no_key);
  }
}
