#include "protocol/sync/box.hpp"

#include <string>

#include "protocol/package/key_block.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/keys.hpp"

using namespace mpyd;
using namespace mpyd::sync;
using mpyd::test::Buffer;

namespace {

const test::ExchangePair kDevice = test::make_exchange_pair(1);
const test::ExchangePair kServer = test::make_exchange_pair(2);

SharedKey key_between(const test::ExchangePair& mine, const test::ExchangePair& peer) {
  SharedKey key;
  REQUIRE(crypto::box_key(mine.secret, peer.key, key));
  return key;
}

RequestPrefix example_prefix() {
  return {kDevice.key, key_id(kServer.key.bytes()), test::random_fixed<Nonce>(3)};
}

Buffer request_with(std::string_view message) {
  Buffer buffer(kRequestMessageOffset + message.size());
  copy_bytes(as_bytes(message), MutableBytes(buffer).subspan(kRequestMessageOffset));
  REQUIRE(seal_request(buffer, message.size(), example_prefix(), key_between(kDevice, kServer)) ==
          buffer.size());
  return buffer;
}

Buffer answer_with(std::string_view message, const Nonce& nonce = test::random_fixed<Nonce>(4)) {
  Buffer buffer(kAnswerMessageOffset + message.size());
  copy_bytes(as_bytes(message), MutableBytes(buffer).subspan(kAnswerMessageOffset));
  REQUIRE(seal_answer(buffer, message.size(), nonce, key_between(kServer, kDevice)) ==
          buffer.size());
  return buffer;
}

// As the server does it: the prefix of the wire decides nonce and key.
Result<std::string> open_as_server(Buffer request) {
  MPYD_TRY_ASSIGN(const RequestPrefix prefix, parse_request_prefix(request));
  SharedKey key;
  if (!crypto::box_key(kServer.secret, prefix.device_key, key)) return fail(Errc::malformed);
  MPYD_TRY_ASSIGN(const Bytes message, open_request(request, prefix, key));
  return std::string(as_text(message));
}

Result<std::string> open_as_device(Buffer answer) {
  MPYD_TRY_ASSIGN(const Bytes message, open_answer(answer, key_between(kDevice, kServer)));
  return std::string(as_text(message));
}

}  // namespace

TEST_CASE("a request reaches the server and an answer the device") {
  for (const std::string& message : {std::string(), std::string("m"), std::string(5000, 'x')}) {
    const Buffer request = request_with(message);
    const auto prefix = parse_request_prefix(request);
    REQUIRE(prefix);
    CHECK(prefix->device_key == kDevice.key);
    CHECK(prefix->server_key_id == key_id(kServer.key.bytes()));
    CHECK(prefix->nonce == test::random_fixed<Nonce>(3));
    CHECK(open_as_server(request) == message);
    CHECK(open_as_device(answer_with(message)) == message);
  }
}

TEST_CASE("libsodium's crypto_box opens what is sealed here") {
  Buffer request = request_with("message");
  const Bytes box = Bytes(request).subspan(kRequestPrefixBytes);
  Buffer plain(box.size() - 16);
  REQUIRE(crypto_box_curve25519xchacha20poly1305_open_easy(
              u8(MutableBytes(plain)), u8(box), box.size(),
              u8(test::random_fixed<Nonce>(3).bytes()), u8(kDevice.key.bytes()),
              u8(kServer.secret.bytes())) == 0);
  CHECK(as_text(plain) == std::string_view("\x51\x01message", 9));
}

TEST_CASE("A23 nothing of a message can be read on the way") {
  const std::string message = "enroll token 0123456789";
  CHECK(as_text(request_with(message)).find("0123456789") == std::string_view::npos);
  CHECK(as_text(answer_with(message)).find("0123456789") == std::string_view::npos);
}

TEST_CASE("A28 a message that is sent back to its sender is refused by its direction") {
  // The same shared key and nonce serve both directions; only the direction byte tells them apart.
  const Nonce nonce = test::random_fixed<Nonce>(3);
  const Buffer request = request_with("message");
  Buffer reflected = test::from_hex("01 02");
  reflected = test::concat(test::concat(reflected, nonce.bytes()),
                           Bytes(request).subspan(kRequestPrefixBytes));
  CHECK(open_as_device(reflected).error() == Errc::replayed);

  const Buffer answer = answer_with("message", nonce);
  Buffer back = test::copy(Bytes(request).first(kRequestPrefixBytes));
  back = test::concat(back, Bytes(answer).subspan(kAnswerPrefixBytes));
  CHECK(open_as_server(back).error() == Errc::replayed);
}

TEST_CASE("A02 every bit flip of a request or answer that matters is refused") {
  const Buffer request = request_with("message");
  for (std::size_t bit = 0; bit < request.size() * 8; ++bit) {
    INFO("request bit " << bit);
    // Which server key the device meant is only a hint, told in clear.
    const bool in_key_id = bit / 8 >= 34 && bit / 8 < 42;
    // X25519 ignores the top bit of a point.
    const bool is_top_bit = bit == 33 * 8 + 7;
    CHECK(open_as_server(test::with_flipped_bit(request, bit)).has_value() ==
          (in_key_id || is_top_bit));
  }
  const Buffer answer = answer_with("message");
  for (std::size_t bit = 0; bit < answer.size() * 8; ++bit) {
    INFO("answer bit " << bit);
    CHECK(!open_as_device(test::with_flipped_bit(answer, bit)));
  }
}

TEST_CASE("every truncation of a request or answer is refused") {
  const Buffer request = request_with("message");
  const Buffer answer = answer_with("message");
  for (std::size_t size = 0; size < request.size(); ++size) {
    const auto opened = open_as_server(test::copy(Bytes(request).first(size)));
    REQUIRE(!opened);
    CHECK(opened.error() == (size < kRequestMessageOffset ? Errc::truncated : Errc::decryption));
  }
  for (std::size_t size = 0; size < answer.size(); ++size) {
    const auto opened = open_as_device(test::copy(Bytes(answer).first(size)));
    REQUIRE(!opened);
    CHECK(opened.error() == (size < kAnswerMessageOffset ? Errc::truncated : Errc::decryption));
  }
}

TEST_CASE("a box of another server, or of nobody, does not open") {
  const test::ExchangePair mallory = test::make_exchange_pair(9);
  Buffer answer(kAnswerMessageOffset + 4);
  seal_answer(answer, 4, test::random_fixed<Nonce>(1), key_between(mallory, kDevice));
  CHECK(open_as_device(answer).error() == Errc::decryption);
}

TEST_CASE("A39 a device key of small order gets no shared key") {
  for (std::string_view hex : test::small_order_exchange_keys()) {
    Buffer request = request_with("message");
    copy_bytes(test::from_hex(hex), MutableBytes(request).subspan(2));
    CHECK(open_as_server(request).error() == Errc::malformed);
  }
}

TEST_CASE("KEY_RETIRED comes in clear, and only as an answer") {
  CHECK(open_as_device(test::from_hex("0103")).error() == Errc::key_retired);
  CHECK(open_as_device(test::from_hex("010300000000")).error() == Errc::key_retired);
  CHECK(parse_request_prefix(test::from_hex("0103")).error() == Errc::malformed);
}

TEST_CASE("another format, kind or protocol version is refused as what it is") {
  Buffer request = request_with("message");
  request[0] = static_cast<std::byte>(kFormat + 1);
  CHECK(parse_request_prefix(request).error() == Errc::unsupported);
  request[0] = std::byte{kFormat};
  for (int kind : {0, 2, 4, 255}) {
    request[1] = static_cast<std::byte>(kind);
    CHECK(parse_request_prefix(request).error() == Errc::malformed);
  }
  CHECK(open_as_device(test::from_hex("0203")).error() == Errc::unsupported);
  CHECK(open_as_device(test::from_hex("0101")).error() == Errc::malformed);

  // A box made by a newer peer: its protocol version is inside.
  const Nonce nonce = test::random_fixed<Nonce>(3);
  Buffer answer = test::concat(test::concat(test::from_hex("0102"), nonce.bytes()), Buffer(16 + 2));
  const Buffer inner = test::from_hex("a2 02");
  crypto::box_seal(key_between(kServer, kDevice), nonce, inner,
                   MutableBytes(answer).subspan(kAnswerPrefixBytes));
  CHECK(open_as_device(answer).error() == Errc::unsupported);
}
