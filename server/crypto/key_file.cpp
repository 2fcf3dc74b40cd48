#include "server/crypto/key_file.hpp"

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>

#include "mpyd/v1/identity.pb.h"
#include "protocol/crypto.hpp"
#include "protocol/limits.hpp"
#include "server/crypto/passphrase_key.hpp"
#include "server/crypto/random.hpp"
#include "server/util/clock.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kKeyFileBytesMax = 1024;
constexpr std::size_t kSecretBytes = 32;
using Secret = FixedBytes<struct KeyFileSecretTag, kSecretBytes>;

Bytes field(const std::string& text) { return as_bytes(std::string_view(text)); }

// Both wipe what they hold before the memory goes back to the heap.
struct WipedMessage {
  v1::KeyFile fields;
  ~WipedMessage() {
    std::string& secret = *fields.mutable_secret_key();
    sodium_memzero(secret.data(), secret.size());
  }
};
struct WipedFile {
  ByteVector bytes;
  ~WipedFile() { crypto::wipe(bytes); }
};

Result<void> parse_key_file(Bytes file, v1::KeyFile& out) {
  if (file.size() > kKeyFileBytesMax) return fail(Errc::limit, "too large for a key file");
  if (file.size() < kKeyFileMagic.size() ||
      as_text(file.first(kKeyFileMagic.size())) != kKeyFileMagic)
    return fail(Errc::bad_magic, "not a key file");
  const Bytes body = file.subspan(kKeyFileMagic.size());
  if (!out.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return fail(Errc::malformed, "the key file is damaged");
  if (!is_known_format(out.format()) || out.min_reader() > kFormat)
    return fail(Errc::unsupported, "this mpyd reads key files of format " +
                                       std::to_string(kFormat) + ", this one has " +
                                       std::to_string(std::max(out.format(), out.min_reader())));
  const bool sealed = !out.kdf_salt().empty();
  const std::size_t secret_bytes = kSecretBytes + (sealed ? crypto_secretbox_MACBYTES : 0);
  if (out.public_key().size() != kSecretBytes || out.secret_key().size() != secret_bytes ||
      (sealed && (out.kdf_salt().size() != crypto_pwhash_SALTBYTES ||
                  out.seal_nonce().size() != crypto_secretbox_NONCEBYTES)))
    return fail(Errc::malformed, "the key file is damaged: a field has the wrong size");
  return {};
}

Result<Locked<Secret>> open_secret(const v1::KeyFile& file, const PassphraseProvider& passphrase) {
  Locked<Secret> secret;
  if (file.kdf_salt().empty()) {
    copy_bytes(field(file.secret_key()), secret->mutable_bytes());
    return secret;
  }
  MPYD_TRY_ASSIGN(const LockedBytes text, passphrase());
  MPYD_TRY_ASSIGN(const Locked<PassphraseKey> key,
                  passphrase_key(text.span(), field(file.kdf_salt())));
  if (crypto_secretbox_open_easy(u8(secret->mutable_bytes()), u8(field(file.secret_key())),
                                 file.secret_key().size(), u8(field(file.seal_nonce())),
                                 u8(key->bytes())) != 0)
    return fail(Errc::decryption, "the passphrase does not open this key");
  return secret;
}

// Also of a pipe, which read_file_or_pipe() takes from anybody.
Result<void> refuse_readable_by_others(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(errno_error("cannot open", path));
  if ((status.st_mode & 077U) != 0)
    return fail(Errc::forbidden, path +
                                     " is a secret, but others on this machine may use it; "
                                     "close it first: chmod 600 " +
                                     path);
  return {};
}

struct LoadedKey {
  Locked<Secret> secret;
  Secret public_key;  // as the file has it
};

Result<LoadedKey> load(const std::string& path, KeyRole role,
                       const PassphraseProvider& passphrase) {
  MPYD_TRY(refuse_readable_by_others(path));
  WipedFile file;
  // A server's key is the service's, whose data directory it lies in.
  const SecretOwner owner = role == KeyRole::server ? SecretOwner::folder_too : SecretOwner::self;
  MPYD_TRY_ASSIGN(file.bytes, read_file_or_pipe(path, kKeyFileBytesMax, owner));
  WipedMessage message;
  v1::KeyFile& parsed = message.fields;
  MPYD_TRY(with_context(parse_key_file(file.bytes, parsed), path));
  if (parsed.role() != role_name(role))
    return fail(Errc::invalid_argument, path + " is a " + parsed.role() + " key; a " +
                                            std::string(role_name(role)) + " key is needed here");
  LoadedKey key;
  copy_bytes(field(parsed.public_key()), key.public_key.mutable_bytes());
  MPYD_TRY_ASSIGN(key.secret, with_context(open_secret(parsed, passphrase), path));
  return key;
}

Error mismatch(const std::string& path) {
  return Error(Errc::malformed,
               path + " is damaged: its secret and public keys do not belong together");
}

Result<void> save(const std::string& path, KeyRole role, Bytes public_key, const Secret& secret,
                  Bytes passphrase) {
  WipedMessage message;
  v1::KeyFile& file = message.fields;
  file.set_format(kFormat);
  file.set_role(std::string(role_name(role)));
  file.set_public_key(public_key.data(), public_key.size());
  file.set_created_unix_s(SystemClock().now_unix_s());
  if (passphrase.empty()) {
    file.set_secret_key(secret.data.data(), kSecretBytes);
  } else {
    file.mutable_kdf_salt()->resize(crypto_pwhash_SALTBYTES);
    random_bytes(std::as_writable_bytes(std::span(*file.mutable_kdf_salt())));
    file.mutable_seal_nonce()->resize(crypto_secretbox_NONCEBYTES);
    random_bytes(std::as_writable_bytes(std::span(*file.mutable_seal_nonce())));
    MPYD_TRY_ASSIGN(const Locked<PassphraseKey> key,
                    passphrase_key(passphrase, field(file.kdf_salt())));
    std::string& sealed = *file.mutable_secret_key();
    sealed.resize(kSecretBytes + crypto_secretbox_MACBYTES);
    crypto_secretbox_easy(u8(std::as_writable_bytes(std::span(sealed))), u8(secret.bytes()),
                          kSecretBytes, u8(field(file.seal_nonce())), u8(key->bytes()));
  }
  WipedFile out;
  out.bytes.resize(kKeyFileMagic.size() + file.ByteSizeLong());
  copy_bytes(as_bytes(kKeyFileMagic), out.bytes);
  file.SerializeToArray(out.bytes.data() + kKeyFileMagic.size(),
                        static_cast<int>(out.bytes.size() - kKeyFileMagic.size()));
  // A secret without its public half would be an orphan nobody knows of.
  if (::access((path + ".pub").c_str(), F_OK) == 0)
    return fail(Errc::conflict, path + ".pub exists already; nothing was written");
  MPYD_TRY(create_file(path, out.bytes, 0600));

  const std::string name = path.substr(path.rfind('/') + 1);
  const std::string line =
      "mpyd-" + std::string(role_name(role)) + " " + to_hex(public_key) + " " + name + "\n";
  const auto made = create_file(path + ".pub", as_bytes(line), 0644);
  if (!made) ::unlink(path.c_str());
  return made;
}

}  // namespace

Result<LockedBytes> no_passphrase() {
  return fail(Errc::no_key,
              "this key has a passphrase; name a file that holds it with --passphrase-file");
}

Result<KeyFileInfo> parse_key_info(Bytes file) {
  WipedMessage message;
  v1::KeyFile& parsed = message.fields;
  MPYD_TRY(parse_key_file(file, parsed));
  KeyFileInfo info;
  MPYD_TRY_ASSIGN(info.role, parse_role(parsed.role()));
  copy_bytes(field(parsed.public_key()), info.public_key);
  info.passphrase = !parsed.kdf_salt().empty();
  info.created_unix_s = parsed.created_unix_s();
  return info;
}

Result<ExchangeKey> parse_server_key(Bytes file) {
  MPYD_TRY_ASSIGN(const KeyFileInfo info, parse_key_info(file));
  if (info.role == KeyRole::server) return ExchangeKey{info.public_key};
  return fail(Errc::malformed, "a " + std::string(role_name(info.role)) +
                                   " key, under the name of a server's; move it to its place");
}

Result<SigningKeyPair> load_signing_key(const std::string& path, KeyRole role,
                                        const PassphraseProvider& passphrase) {
  MPYD_TRY_ASSIGN(const LoadedKey loaded, load(path, role, passphrase));
  SigningKeyPair pair;
  pair.role = role;
  crypto_sign_seed_keypair(u8(pair.public_key.mutable_bytes()), u8(pair.secret->mutable_bytes()),
                           u8(loaded.secret->bytes()));
  if (!same_bytes(pair.public_key.bytes(), loaded.public_key.bytes())) return fail(mismatch(path));
  return pair;
}

Result<ExchangeKeyPair> load_exchange_key(const std::string& path,
                                          const PassphraseProvider& passphrase) {
  MPYD_TRY_ASSIGN(const LoadedKey loaded, load(path, KeyRole::server, passphrase));
  ExchangeKeyPair pair;
  copy_bytes(loaded.secret->bytes(), pair.secret->mutable_bytes());
  pair.public_key = crypto::x25519_public(*pair.secret);
  if (!same_bytes(pair.public_key.bytes(), loaded.public_key.bytes())) return fail(mismatch(path));
  return pair;
}

Result<void> save_key_file(const std::string& path, const SigningKeyPair& key, Bytes passphrase) {
  Locked<Secret> seed;
  crypto_sign_ed25519_sk_to_seed(u8(seed->mutable_bytes()), u8(key.secret->bytes()));
  return save(path, key.role, key.public_key.bytes(), *seed, passphrase);
}

Result<void> save_key_file(const std::string& path, const ExchangeKeyPair& key, Bytes passphrase) {
  Locked<Secret> scalar;
  copy_bytes(key.secret->bytes(), scalar->mutable_bytes());
  return save(path, KeyRole::server, key.public_key.bytes(), *scalar, passphrase);
}

Result<PublicKeyLine> parse_public_key_line(std::string_view text) {
  if (!text.starts_with(kPublicKeyMagic) || text.starts_with(kKeyFileMagic))
    return fail(Errc::malformed, "not a public key file (NAME.pub)");
  text.remove_prefix(kPublicKeyMagic.size());
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos)
    return fail(Errc::malformed, "the public key file is damaged");
  PublicKeyLine line;
  const auto role = parse_role(text.substr(0, space));
  // Not what it says instead: that may be anything.
  if (!role) return fail(Errc::malformed, "the public key file names no role that there is");
  line.role = *role;
  text.remove_prefix(space + 1);
  MPYD_TRY_ASSIGN(const SigningKey key,
                  fixed_from_hex<SigningKey>(text.substr(0, text.find_first_of(" \r\n"))));
  line.key = key.data;
  return line;
}

Result<SigningKey> read_public_key(std::string_view hex_or_path, KeyRole role) {
  if (auto key = fixed_from_hex<SigningKey>(hex_or_path)) return *key;
  const std::string path(hex_or_path);
  MPYD_TRY_ASSIGN(const ByteVector file, read_file(path, kKeyFileBytesMax));
  MPYD_TRY_ASSIGN(const PublicKeyLine line,
                  with_context(parse_public_key_line(as_text(file)), path));
  if (line.role != role)
    return fail(Errc::invalid_argument, path + " is the key of a " +
                                            std::string(role_name(line.role)) + ", not of a " +
                                            std::string(role_name(role)));
  return SigningKey{line.key};
}

}  // namespace mpyd::server
