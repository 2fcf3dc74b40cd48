// Bearer tokens: random, kept only as SHA-256, never logged.
#pragma once

#include <string>
#include <vector>

#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

// How a presented token is looked up.
Digest hash_token(std::string_view text);

// The token of this hash, if it is there and may be used now. Errors: unauthorised.
Result<Token> find_usable_token(const TokenStore& tokens, const Digest& hash,
                                std::uint64_t now_unix_s);

class TokenService {
 public:
  TokenService(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Request {
    std::string name;  // 1..64 of a-z 0-9 . _ -
    Scopes scopes;
    std::uint64_t expires_unix_s = 0;  // 0: never
    bool single_use = false;
  };
  struct Created {
    std::string text;  // secret; cannot be had again
    Token token;
  };
  // Errors: invalid_argument (name, or expiry in the past), conflict (the name is taken).
  Result<Created> create(const Request& request, const std::string& actor);
  Result<std::vector<Token>> list() const;
  Result<void> revoke(std::string_view name, const std::string& actor);  // not_found

  // Who is it, and may they? Uses up a single-use token.
  // Errors: unauthorised (no such token, expired, used up), forbidden (lacks the scope).
  Result<std::string> authorise(std::string_view text, Scopes::Scope needed);

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace mpyd::server
