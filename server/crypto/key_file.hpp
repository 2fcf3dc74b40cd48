// Key pairs, and the files that hold them.
//
//   key file = "mpyd-key\n" | mpyd.v1.KeyFile (schema/mpyd/v1/identity.proto)
//   NAME.pub = "mpyd-<role> <64 hex digits> <comment>\n"
//
// A key file is a secret: mode 0600, refused when group or others may read it or another user owns
// it, never overwritten. A server's key may belong to whom its folder belongs to.
// The secret part is 32 bytes: the Ed25519 seed or the X25519 scalar; with a passphrase it is
// sealed by secretbox (XSalsa20-Poly1305) under Argon2id of the passphrase, interactive limits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "protocol/digest.hpp"
#include "server/crypto/locked.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

inline constexpr std::string_view kKeyFileMagic = "mpyd-key\n";

// A fleet's secret key is in no file: the server keeps it.
enum class KeyRole : std::uint8_t { root, targets, publisher, server, fleet };
std::string_view role_name(KeyRole role);
Result<KeyRole> parse_role(std::string_view name);  // invalid_argument

// X25519.
struct ExchangeKeyPair {
  Locked<SecretKey> secret;
  ExchangeKey public_key;
};
ExchangeKeyPair make_exchange_key();
// From a secret made elsewhere.
ExchangeKeyPair exchange_key_from(const SecretKey& secret);

// Ed25519.
struct SigningKeyPair {
  Locked<FixedBytes<struct SigningSecretTag, 64>> secret;  // libsodium's form: seed || public key
  KeyRole role = KeyRole::publisher;
  SigningKey public_key;

  // Over exactly `message`; prefixes are the caller's business (services/documents, packaging).
  SignatureBytes sign(Bytes message) const;
};
// `role` is not `server`.
SigningKeyPair make_signing_key(KeyRole role);

// What a key file tells without its passphrase.
struct KeyFileInfo {
  KeyRole role = KeyRole::publisher;
  std::array<std::byte, 32> public_key{};
  bool passphrase = false;
  std::uint64_t created_unix_s = 0;
};
// Errors: bad_magic, malformed, limit, unsupported (a newer format).
Result<KeyFileInfo> parse_key_info(Bytes file);
// The public half of a server's key. Errors: as parse_key_info; also malformed for another role.
Result<ExchangeKey> parse_server_key(Bytes file);

// Asked only when the file has a passphrase.
using PassphraseProvider = std::function<Result<LockedBytes>()>;
// Says that there is none: the error names the file's way out.
Result<LockedBytes> no_passphrase();

// Errors: not_found, io, forbidden (readable by group or others, another user's), bad_magic,
// malformed, unsupported, invalid_argument (a key of another role), decryption (wrong passphrase),
// and the provider's.
Result<SigningKeyPair> load_signing_key(const std::string& path, KeyRole role,
                                        const PassphraseProvider& passphrase = no_passphrase);
Result<ExchangeKeyPair> load_exchange_key(const std::string& path,
                                          const PassphraseProvider& passphrase = no_passphrase);

// Writes `path` (0600) and `path`.pub (0644). An empty passphrase: none.
// Errors: conflict if either file exists, io.
Result<void> save_key_file(const std::string& path, const SigningKeyPair& key,
                           Bytes passphrase = {});
Result<void> save_key_file(const std::string& path, const ExchangeKeyPair& key,
                           Bytes passphrase = {});

// One line of a .pub file. Errors: malformed, invalid_argument (no such role).
inline constexpr std::string_view kPublicKeyMagic = "mpyd-";
struct PublicKeyLine {
  KeyRole role = KeyRole::publisher;
  std::array<std::byte, 32> key{};
};
Result<PublicKeyLine> parse_public_key_line(std::string_view text);

// A public signing key from 64 hex digits, or from the path of a .pub file, whose role must be
// `role`. Errors: not_found, io, malformed, invalid_argument.
Result<SigningKey> read_public_key(std::string_view hex_or_path, KeyRole role);

}  // namespace mpyd::server
