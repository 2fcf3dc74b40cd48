#include "server/crypto/key_file.hpp"

#include <sys/stat.h>

#include "protocol/crypto.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server {
namespace {

using test::TemporaryDirectory;

PassphraseProvider say(const std::string& text) {
  return [text]() -> Result<LockedBytes> {
    LockedBytes out(text.size());
    copy_bytes(as_bytes(std::string_view(text)), out.span());
    return out;
  };
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

ByteVector contents(const std::string& path) { return read_file(path, 4096).value(); }

TEST_CASE("a signing key comes back from its file and signs the same") {
  const TemporaryDirectory directory;
  const SigningKeyPair key = make_signing_key(KeyRole::publisher);
  REQUIRE(save_key_file(directory.file("a.key"), key));

  const auto loaded = load_signing_key(directory.file("a.key"), KeyRole::publisher);
  REQUIRE(loaded);
  CHECK(loaded->public_key == key.public_key);
  CHECK(loaded->role == KeyRole::publisher);
  const Bytes message = as_bytes("message");
  CHECK(loaded->sign(message) == key.sign(message));
  CHECK(crypto::verify_ed25519(message, loaded->sign(message), key.public_key));
}

TEST_CASE("an exchange key comes back from its file and agrees the same") {
  const TemporaryDirectory directory;
  const ExchangeKeyPair key = make_exchange_key();
  REQUIRE(save_key_file(directory.file("server.key"), key));
  const auto loaded = load_exchange_key(directory.file("server.key"));
  REQUIRE(loaded);
  CHECK(*loaded->secret == *key.secret);
  CHECK(loaded->public_key == crypto::x25519_public(*key.secret));
}

TEST_CASE("a key file is closed to others, and its public half is not") {
  const TemporaryDirectory directory;
  REQUIRE(save_key_file(directory.file("a.key"), make_signing_key(KeyRole::root)));
  CHECK(mode_of(directory.file("a.key")) == 0600);
  CHECK(mode_of(directory.file("a.key.pub")) == 0644);
}

TEST_CASE("a key file that group or others may use is refused") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.key");
  REQUIRE(save_key_file(path, make_signing_key(KeyRole::root)));
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    CAPTURE(mode);
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const auto loaded = load_signing_key(path, KeyRole::root);
    REQUIRE(!loaded);
    CHECK(loaded.error().code == Errc::forbidden);
  }
}

TEST_CASE("a key file is never overwritten") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.key");
  REQUIRE(save_key_file(path, make_signing_key(KeyRole::root)));
  const ByteVector before = contents(path);
  const auto again = save_key_file(path, make_signing_key(KeyRole::root));
  REQUIRE(!again);
  CHECK(again.error().code == Errc::conflict);
  CHECK(contents(path) == before);
}

TEST_CASE("a passphrase hides the secret, and only the right one opens it") {
  const TemporaryDirectory directory;
  const std::string path = directory.file("a.key");
  const ExchangeKeyPair key = make_exchange_key();
  REQUIRE(save_key_file(path, key, as_bytes("open sesame")));

  const ByteVector file = contents(path);
  const std::string_view secret = as_text(key.secret->bytes());
  CHECK(as_text(file).find(secret) == std::string_view::npos);
  CHECK(parse_key_info(file)->passphrase);

  const auto opened = load_exchange_key(path, say("open sesame"));
  REQUIRE(opened);
  CHECK(*opened->secret == *key.secret);
  CHECK(load_exchange_key(path, say("open sesamE")).error().code == Errc::decryption);
  CHECK(load_exchange_key(path).error().code == Errc::no_key);
}

TEST_CASE("no key serves two purposes: a key of another role is refused") {
  const TemporaryDirectory directory;
  REQUIRE(save_key_file(directory.file("t.key"), make_signing_key(KeyRole::targets)));
  REQUIRE(save_key_file(directory.file("s.key"), make_exchange_key()));
  CHECK(load_signing_key(directory.file("t.key"), KeyRole::root).error().code ==
        Errc::invalid_argument);
  CHECK(load_exchange_key(directory.file("t.key")).error().code == Errc::invalid_argument);
  CHECK(load_signing_key(directory.file("s.key"), KeyRole::publisher).error().code ==
        Errc::invalid_argument);
}

TEST_CASE("every prefix and every flipped bit of a key file fails cleanly or gives the same key") {
  const TemporaryDirectory directory;
  const SigningKeyPair key = make_signing_key(KeyRole::publisher);
  REQUIRE(save_key_file(directory.file("a.key"), key));
  const ByteVector file = contents(directory.file("a.key"));
  const std::string damaged = directory.file("damaged.key");
  const auto check = [&](const ByteVector& bytes) {
    REQUIRE(write_file(damaged, bytes, 0600));
    const auto loaded = load_signing_key(damaged, KeyRole::publisher);
    // The creation time may change; the keys may not.
    if (loaded) CHECK(loaded->public_key == key.public_key);
    return loaded.has_value();
  };
  for (std::size_t size = 0; size + 8 < file.size(); ++size)
    CHECK(!check(ByteVector(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size))));
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) check(test::with_flipped_bit(file, bit));
}

TEST_CASE("a key file of a newer format is refused as such") {
  // Field 2 (min_reader) = 9.
  const ByteVector file = test::copy(std::string("mpyd-key\n") + "\x10\x09");
  CHECK(parse_key_info(file).error().code == Errc::unsupported);
}

TEST_CASE("a public key is read from hex and from its file") {
  const TemporaryDirectory directory;
  const SigningKeyPair key = make_signing_key(KeyRole::publisher);
  REQUIRE(save_key_file(directory.file("a.key"), key));
  CHECK(read_public_key(to_hex(key.public_key.bytes()), KeyRole::publisher).value() ==
        key.public_key);
  CHECK(read_public_key(directory.file("a.key.pub"), KeyRole::publisher).value() == key.public_key);

  CHECK(read_public_key(directory.file("a.key.pub"), KeyRole::targets).error().code ==
        Errc::invalid_argument);
  CHECK(read_public_key(directory.file("a.key"), KeyRole::publisher).error().code ==
        Errc::malformed);
  CHECK(read_public_key(directory.file("b.pub"), KeyRole::publisher).error().code ==
        Errc::not_found);
}

TEST_CASE("locked memory starts zeroed and moves without a copy") {
  LockedBytes first(100);
  for (const std::byte b : first.span()) CHECK(b == std::byte{0});
  first.span()[7] = std::byte{42};
  const std::byte* const memory = first.span().data();
  const LockedBytes second = std::move(first);
  CHECK(second.span().data() == memory);
  CHECK(second.span()[7] == std::byte{42});
}

}  // namespace
}  // namespace mpyd::server
