#include "server/services/token_service.hpp"

#include <array>
#include <boost/json.hpp>

#include "protocol/crypto.hpp"
#include "server/crypto/random.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kTokenRandomBytes = 32;
// "mpyd_" and 43 digits: scanners for leaked secrets find it, and it fits a device's identity.
constexpr std::string_view kTokenPrefix = "mpyd_";
// The time of last use is for people; writing it more often than this buys nothing.
constexpr std::uint64_t kLastUseResolution_s = 60;
// After it could not be written; the log is warned as often.
constexpr std::uint64_t kLastUsePause_s = 60;

std::string make_token_text() {
  std::array<std::byte, kTokenRandomBytes> random{};
  random_bytes(random);
  std::string digits = to_base64url(random);
  std::string text = std::string(kTokenPrefix) + digits;
  crypto::wipe(random);
  crypto::wipe(std::as_writable_bytes(std::span(digits)));
  return text;
}

Error unknown_token() { return Error(Errc::unauthorised, "the token is not known here"); }

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
  if (!token) return fail(unknown_token());
  MPYD_TRY(token->usable(now_unix_s));
  return *token;
}

Result<void> use_token(TokenStore& tokens, const Token& token, std::uint64_t now_unix_s) {
  if (token.uses_max != 0) MPYD_TRY(tokens.set_uses(token.hash, token.uses + 1));
  return tokens.set_used(token.hash, now_unix_s);
}

Result<void> for_each_token(const TokenStore& tokens,
                            const std::function<void(const Token&)>& visit) {
  constexpr std::size_t kTokensAtOnce = 1000;
  std::string after;
  while (true) {
    MPYD_TRY_ASSIGN(const auto page, tokens.list(after, kTokensAtOnce));
    for (const Token& token : page) visit(token);
    if (page.size() < kTokensAtOnce) return {};
    after = page.back().name;
  }
}

Result<std::vector<std::string>> ruling_tokens(const TokenStore& tokens, std::uint64_t now_unix_s) {
  std::vector<std::string> out;
  MPYD_TRY(for_each_token(tokens, [&](const Token& token) {
    if (token.scopes.allows(Scopes::admin) && token.usable(now_unix_s)) out.push_back(token.name);
  }));
  return out;
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
  if (request.hardware.is_limited() && request.scopes != Scopes(Scopes::publish))
    return fail(Errc::invalid_argument,
                "a token that is limited to hardware IDs has the scope publish and no other");
  Created created{.text = make_token_text()};
  created.token = Token{.hash = hash_token(created.text),
                        .name = request.name,
                        .scopes = request.scopes,
                        .created_unix_s = now,
                        .expires_unix_s = request.expires_unix_s,
                        .uses_max = request.uses_max,
                        .needs_approval = request.needs_approval,
                        .hardware = request.hardware};
  auto stored = store_.write([&](Transaction& tx) -> Result<void> {
    if (auto added = tx.tokens().add(created.token); !added) {
      if (added.error().code != Errc::conflict) return added;
      return fail(Errc::conflict, "there is a token named '" + request.name + "' already");
    }
    boost::json::object detail{{"scopes", request.scopes.text()}};
    if (request.hardware.is_limited()) detail["hardware"] = request.hardware.text();
    return tx.audit().append(
        {now, actor, "token-create", request.name, boost::json::serialize(detail)});
  });
  if (!stored) return fail(std::move(stored).error());
  return created;
}

Result<Page<Token>> TokenService::list(std::string_view after, std::size_t count_max) const {
  MPYD_TRY_ASSIGN(auto rows, store_.get([&](const Snapshot& s) {
    return s.tokens().list(after, count_max + 1);
  }));
  return make_page(std::move(rows), count_max);
}

Result<Token> TokenService::show(std::string_view name) const {
  MPYD_TRY_ASSIGN(auto token,
                  store_.get([&](const Snapshot& s) { return s.tokens().find_named(name); }));
  if (!token) return fail(Errc::not_found, "there is no token named '" + std::string(name) + "'");
  return *std::move(token);
}

Result<void> TokenService::revoke(std::string_view name, const std::string& actor) {
  const std::uint64_t now = clock_.now_unix_s();
  return store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const auto ruling, ruling_tokens(tx.tokens(), now));
    if (ruling.size() == 1 && ruling.front() == name)
      return fail(Errc::conflict, "'" + std::string(name) +
                                      "' is the last token with the scope admin; make another one "
                                      "first");
    MPYD_TRY(tx.tokens().remove(name));
    return tx.audit().append({now, actor, "token-revoke", std::string(name)});
  });
}

std::optional<std::string> TokenService::name_of(std::string_view text) const {
  const Digest hash = hash_token(text);
  const auto found = store_.get([&](const Snapshot& s) { return find_token(s.tokens(), hash); });
  return found && *found ? std::optional((*found)->name) : std::nullopt;
}

Result<TokenService::Bearer> TokenService::authorise(std::string_view text, Scopes::Scope needed) {
  return bearer_of(text, needed, &Token::usable);
}

Result<TokenService::Bearer> TokenService::recognise(std::string_view text, Scopes::Scope needed) {
  return bearer_of(text, needed, &Token::valid);
}

Result<TokenService::Bearer> TokenService::bearer_of(std::string_view text, Scopes::Scope needed,
                                                     Check check) {
  const Digest hash = hash_token(text);
  const std::uint64_t now = clock_.now_unix_s();
  MPYD_TRY_ASSIGN(const auto found,
                  store_.get([&](const Snapshot& s) { return find_token(s.tokens(), hash); }));
  if (!found) return fail(unknown_token());
  const Token& token = *found;
  MPYD_TRY((token.*check)(now));
  if (!token.scopes.allows(needed))
    return fail(Errc::forbidden, "the token '" + token.name + "' has the scopes '" +
                                     token.scopes.text() + "'; this needs '" +
                                     std::string(server::name(needed)) + "'");
  std::string trouble = note_use(token, now);
  return Bearer{token.name,         hash,           token.uses_max != 0,
                token.is_used_up(), token.hardware, std::move(trouble)};
}

// The time is for people: a full disk must not keep them from looking what is wrong.
std::string TokenService::note_use(const Token& token, std::uint64_t now_unix_s) {
  if (now_unix_s < token.last_used_unix_s + kLastUseResolution_s) return {};
  const std::uint64_t failed = failed_unix_s_;
  if (now_unix_s >= failed && now_unix_s - failed < kLastUsePause_s) return {};
  const auto noted =
      store_.write([&](Transaction& tx) { return tx.tokens().set_used(token.hash, now_unix_s); },
                   Durability::relaxed);
  if (noted || noted.error().code == Errc::not_found) return {};  // revoked just now
  failed_unix_s_ = now_unix_s;
  return noted.error().message;
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
