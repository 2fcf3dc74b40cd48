#include "server/services/token_service.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "protocol/crypto.hpp"
#include "server/crypto/random.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kTokenRandomBytes = 32;
constexpr std::size_t kTokenNameMax = 64;
// "mpyd_" and 43 digits: scanners for leaked secrets find it, and it fits a device's identity.
constexpr std::string_view kTokenPrefix = "mpyd_";
// The time of last use is for people; writing it more often than this buys nothing.
constexpr std::uint64_t kLastUseResolution_s = 60;

bool is_token_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kTokenNameMax && std::ranges::all_of(text, allowed);
}

std::string make_token_text() {
  std::array<std::byte, kTokenRandomBytes> random{};
  random_bytes(random);
  std::string digits = to_base64url(random);
  std::string text = std::string(kTokenPrefix) + digits;
  crypto::wipe(random);
  crypto::wipe(std::as_writable_bytes(std::span(digits)));
  return text;
}

}  // namespace

Digest hash_token(std::string_view text) { return crypto::sha256(as_bytes(text)); }

Result<std::optional<Token>> find_token(const TokenStore& tokens, const Digest& hash) {
  MPYD_TRY_ASSIGN(auto token, tokens.find(hash));
  // The index compares hashes of 256-bit secrets; the last word is a comparison in constant time.
  if (token && !crypto::equal(token->hash.bytes(), hash.bytes())) token.reset();
  return token;
}

Result<Token> find_usable_token(const TokenStore& tokens, const Digest& hash,
                                std::uint64_t now_unix_s) {
  MPYD_TRY_ASSIGN(const auto token, find_token(tokens, hash));
  if (!token) return fail(Errc::unauthorised, "the token is not known here");
  MPYD_TRY(token->usable(now_unix_s));
  return *token;
}

Result<void> use_token(TokenStore& tokens, const Token& token, std::uint64_t now_unix_s) {
  if (token.uses_max != 0) MPYD_TRY(tokens.set_uses(token.hash, token.uses + 1));
  return tokens.set_used(token.hash, now_unix_s);
}

Result<TokenService::Created> TokenService::create(const Request& request,
                                                   const std::string& actor) {
  const std::uint64_t now = clock_.now_unix_s();
  if (!is_token_name(request.name))
    return fail(Errc::invalid_argument, "a token's name is 1 to 64 of a-z 0-9 . _ -");
  if (request.expires_unix_s != 0 && request.expires_unix_s <= now)
    return fail(Errc::invalid_argument, "the token's expiry is in the past");
  if (request.needs_approval && !request.scopes.allows(Scopes::enroll))
    return fail(Errc::invalid_argument, "approval is for tokens that enrol devices: scope enroll");
  Created created{.text = make_token_text()};
  created.token = Token{.hash = hash_token(created.text),
                        .name = request.name,
                        .scopes = request.scopes,
                        .created_unix_s = now,
                        .expires_unix_s = request.expires_unix_s,
                        .uses_max = request.uses_max,
                        .needs_approval = request.needs_approval};
  auto stored = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY(tx.tokens().add(created.token));
    return tx.audit().append(
        {now, actor, "token-create", request.name,
         boost::json::serialize(boost::json::object{{"scopes", request.scopes.text()}})});
  });
  if (!stored && stored.error().code == Errc::conflict)
    return fail(Errc::conflict, "there is a token named '" + request.name + "' already");
  if (!stored) return fail(std::move(stored).error());
  return created;
}

Result<std::vector<Token>> TokenService::list() const {
  return store_.get([](const Snapshot& s) { return s.tokens().list(); });
}

Result<void> TokenService::revoke(std::string_view name, const std::string& actor) {
  return store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY(tx.tokens().remove(name));
    return tx.audit().append({clock_.now_unix_s(), actor, "token-revoke", std::string(name)});
  });
}

Result<TokenService::Bearer> TokenService::authorise(std::string_view text, Scopes::Scope needed) {
  const Digest hash = hash_token(text);
  const std::uint64_t now = clock_.now_unix_s();
  MPYD_TRY_ASSIGN(const Token token, store_.get([&](const Snapshot& s) {
    return find_usable_token(s.tokens(), hash, now);
  }));
  if (!token.scopes.allows(needed))
    return fail(Errc::forbidden, "the token '" + token.name + "' has the scopes '" +
                                     token.scopes.text() + "'; this needs '" +
                                     std::string(server::name(needed)) + "'");
  const Bearer bearer{token.name, hash, token.uses_max != 0};
  if (now < token.last_used_unix_s + kLastUseResolution_s) return bearer;
  MPYD_TRY(store_.write([&](Transaction& tx) { return tx.tokens().set_used(hash, now); },
                        Durability::relaxed));
  return bearer;
}

Result<void> TokenService::spend(const Bearer& bearer) {
  if (!bearer.is_limited) return {};
  const std::uint64_t now = clock_.now_unix_s();
  return store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const Token token, find_usable_token(tx.tokens(), bearer.hash, now));
    return use_token(tx.tokens(), token, now);
  });
}

Result<void> TokenService::give_back(const Bearer& bearer) {
  if (!bearer.is_limited) return {};
  return store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const auto token, tx.tokens().find(bearer.hash));
    if (!token || token->uses == 0) return {};
    return tx.tokens().set_uses(bearer.hash, token->uses - 1);
  });
}

}  // namespace mpyd::server
