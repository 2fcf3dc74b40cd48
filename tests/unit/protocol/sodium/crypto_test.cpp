#include "protocol/crypto.hpp"

#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/keys.hpp"

using namespace mpyd;
using mpyd::test::Buffer;
using mpyd::test::fixed_from_hex;
using mpyd::test::from_hex;

namespace {

// The order of Ed25519's base point, little-endian.
constexpr std::string_view kOrder =
    "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

// S + L: the same residue, another encoding.
SignatureBytes with_order_added(SignatureBytes signature) {
  const Buffer order = from_hex(kOrder);
  std::uint32_t carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += std::to_integer<std::uint32_t>(signature.data[32 + i]) +
             std::to_integer<std::uint32_t>(order[i]);
    signature.data[32 + i] = static_cast<std::byte>(carry & 0xff);
    carry >>= 8;
  }
  return signature;
}

// Points of order 1, 2, 4 and 8 on Ed25519, and non-canonical encodings of some.
constexpr std::string_view kSmallOrder[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

}  // namespace

TEST_CASE("SHA-256 gives the digests of FIPS 180, whole or in pieces") {
  struct Row {
    std::string text, hex;
  };
  const Row kRows[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
  };
  for (const Row& row : kRows) {
    CHECK(crypto::sha256(as_bytes(row.text)) == fixed_from_hex<Digest>(row.hex));
    crypto::Sha256 hash;
    for (char c : row.text) hash.update(as_bytes(std::string_view(&c, 1)));
    CHECK(hash.finish() == fixed_from_hex<Digest>(row.hex));
  }
  CHECK(crypto::sha256({}) == fixed_from_hex<Digest>(kRows[0].hex));
}

TEST_CASE("A01 Ed25519 accepts RFC 8032's signature, and no other message, key or bit") {
  const auto key = fixed_from_hex<SigningKey>(
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const auto signature = fixed_from_hex<SignatureBytes>(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  const Buffer message = from_hex("72");
  REQUIRE(crypto::verify_ed25519(message, signature, key));
  CHECK(!crypto::verify_ed25519(from_hex("73"), signature, key));
  CHECK(!crypto::verify_ed25519({}, signature, key));
  CHECK(!crypto::verify_ed25519(message, signature, test::make_signer(1).key));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    const auto flipped =
        SignatureBytes::from(test::with_flipped_bit(signature.bytes(), bit)).value();
    if (crypto::verify_ed25519(message, flipped, key)) FAIL("bit " << bit);
  }
}

TEST_CASE("A39 a signature with S at or above the group order is refused") {
  const test::Signer signer = test::make_signer(1);
  const Buffer message = test::copy(std::string_view("message"));
  const SignatureBytes good = test::sign(signer, "", message);
  REQUIRE(crypto::verify_ed25519(message, good, signer.key));
  SignatureBytes malleated = good;
  // S stays below 2^256 for several multiples of L.
  for (int i = 0; i < 7; ++i) {
    malleated = with_order_added(malleated);
    CHECK(!crypto::verify_ed25519(message, malleated, signer.key));
  }
}

TEST_CASE("A39 public keys and R of small order are refused") {
  const test::Signer signer = test::make_signer(1);
  for (std::string_view hex : kSmallOrder) {
    INFO(hex);
    const auto weak = fixed_from_hex<SigningKey>(hex);
    // With S = 0 and R = A of small order the plain equation holds for one message in eight.
    for (int i = 0; i < 40; ++i) {
      const Buffer message = test::copy(std::to_string(i));
      for (std::string_view r_hex : kSmallOrder) {
        SignatureBytes forged;
        copy_bytes(from_hex(r_hex), forged.mutable_bytes());
        if (i == 0) CHECK(!crypto::verify_ed25519(message, forged, signer.key));
        if (crypto::verify_ed25519(message, forged, weak)) FAIL("forged " << i);
      }
    }
  }
}

TEST_CASE("X25519 gives the result of RFC 7748") {
  const auto scalar =
      fixed_from_hex<SecretKey>("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
  const auto point = fixed_from_hex<ExchangeKey>(
      "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
  SharedKey out;
  REQUIRE(crypto::x25519(scalar, point, out));
  CHECK(out == fixed_from_hex<SharedKey>(
                   "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"));
}

TEST_CASE("the ladder with u = 9 makes the public key that libsodium makes") {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto secret = test::random_fixed<SecretKey>(seed);
    ExchangeKey expected;
    crypto_scalarmult_curve25519_base(u8(expected.mutable_bytes()), u8(secret.bytes()));
    CHECK(crypto::x25519_public(secret) == expected);
  }
}

TEST_CASE("the AEAD binds key, nonce, additional data and every bit, and checks sizes") {
  const auto key = test::random_fixed<SharedKey>(1);
  const auto nonce = test::random_fixed<Nonce>(2);
  const Buffer plain = test::Random(3).bytes(40);
  Buffer sealed(56);
  crypto::aead_seal(key, nonce, as_bytes("ad"), plain, sealed);
  Buffer opened(40);
  REQUIRE(crypto::aead_open(key, nonce, as_bytes("ad"), sealed, opened));
  CHECK(opened == plain);
  CHECK(!crypto::aead_open(key, nonce, as_bytes("ae"), sealed, opened));
  CHECK(!crypto::aead_open(key, nonce, {}, sealed, opened));
  CHECK(!crypto::aead_open(key, test::random_fixed<Nonce>(9), as_bytes("ad"), sealed, opened));
  CHECK(
      !crypto::aead_open(test::random_fixed<SharedKey>(9), nonce, as_bytes("ad"), sealed, opened));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit)
    CHECK(!crypto::aead_open(key, nonce, as_bytes("ad"), test::with_flipped_bit(sealed, bit),
                             opened));
  Buffer longer(41);
  CHECK(!crypto::aead_open(key, nonce, as_bytes("ad"), sealed, longer));
  CHECK(!crypto::aead_open(key, nonce, as_bytes("ad"), {}, longer));
  CHECK(!crypto::box_open(key, nonce, sealed, longer));
}

TEST_CASE("both ends of an exchange compute one box key, and it is not the bare product") {
  const test::ExchangePair a = test::make_exchange_pair(1);
  const test::ExchangePair b = test::make_exchange_pair(2);
  SharedKey ab, ba, product;
  REQUIRE(crypto::box_key(a.secret, b.key, ab));
  REQUIRE(crypto::box_key(b.secret, a.key, ba));
  REQUIRE(crypto::x25519(a.secret, b.key, product));
  CHECK(ab == ba);
  CHECK(ab != product);
}

TEST_CASE("libsodium's own secretstream reads what StreamPush writes") {
  const auto key = test::random_fixed<ContentKey>(1);
  const auto header = test::random_fixed<StreamHeader>(2);
  crypto::StreamPush push(key, header);
  Buffer first(5 + 17), second(6 + 17);
  push.push(as_bytes("first"), false, first);
  push.push(as_bytes("second"), true, second);

  crypto_secretstream_xchacha20poly1305_state state;
  REQUIRE(crypto_secretstream_xchacha20poly1305_init_pull(&state, u8(header.bytes()),
                                                          u8(key.bytes())) == 0);
  Buffer plain(6);
  unsigned char tag = 9;
  REQUIRE(crypto_secretstream_xchacha20poly1305_pull(&state, u8(MutableBytes(plain)), nullptr, &tag,
                                                     u8(Bytes(first)), first.size(), nullptr,
                                                     0) == 0);
  CHECK(tag == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
  REQUIRE(crypto_secretstream_xchacha20poly1305_pull(&state, u8(MutableBytes(plain)), nullptr, &tag,
                                                     u8(Bytes(second)), second.size(), nullptr,
                                                     0) == 0);
  CHECK(tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL);
  CHECK(as_text(plain) == "second");
}

TEST_CASE("StreamPull decrypts in place, in order, and only whole chunks") {
  const auto key = test::random_fixed<ContentKey>(1);
  const auto header = test::random_fixed<StreamHeader>(2);
  crypto::StreamPush push(key, header);
  Buffer first(5 + 17), second(6 + 17);
  push.push(as_bytes("first"), false, first);
  push.push(as_bytes("second"), true, second);

  bool last = true;
  Buffer plain(6);
  crypto::StreamPull out_of_order(key, header);
  CHECK(!out_of_order.pull(second, plain, last));
  crypto::StreamPull pull(key, header);
  CHECK(!pull.pull(first, plain, last));  // sizes do not fit
  const MutableBytes in_place = MutableBytes(first).subspan(1, 5);
  REQUIRE(pull.pull(first, in_place, last));
  CHECK(!last);
  CHECK(as_text(in_place) == "first");
  REQUIRE(pull.pull(second, plain, last));
  CHECK(last);
}

TEST_CASE("comparison in constant time compares sizes and content, and wiping wipes") {
  CHECK(crypto::equal(as_bytes("abc"), as_bytes("abc")));
  CHECK(!crypto::equal(as_bytes("abc"), as_bytes("abd")));
  CHECK(!crypto::equal(as_bytes("abc"), as_bytes("ab")));
  CHECK(crypto::equal({}, {}));
  Buffer secret = test::Random(1).bytes(33);
  crypto::wipe(secret);
  CHECK(secret == Buffer(33));
}
