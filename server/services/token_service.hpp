// Bearer tokens: random, kept only as SHA-256, never logged.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/domain/page.hpp"
#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

// How a presented token is looked up.
Digest hash_token(std::string_view text);

// The token of this hash, usable or not.
Result<std::optional<Token>> find_token(const TokenStore& tokens, const Digest& hash);

// The token of this hash, if it is there and may be used now. Errors: unauthorised.
Result<Token> find_usable_token(const TokenStore& tokens, const Digest& hash,
                                std::uint64_t now_unix_s);

// Counts one use of a token that find_usable_token returned. Errors: not_found.
Result<void> use_token(TokenStore& tokens, const Token& token, std::uint64_t now_unix_s);

// All tokens, in the order of their names; what is read is checked. Errors: malformed.
Result<void> for_each_token(const TokenStore& tokens,
                            const std::function<void(const Token&)>& visit);
// Names of those that may be used now and have the scope admin. Without one, only whoever has the
// data directory makes another.
Result<std::vector<std::string>> ruling_tokens(const TokenStore& tokens, std::uint64_t now_unix_s);

class TokenService {
 public:
  TokenService(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Request {
    std::string name;  // is_token_name()
    Scopes scopes;
    std::uint64_t expires_unix_s = 0;  // 0: never
    std::uint32_t uses_max = 0;        // 0: any number
    bool needs_approval = false;       // devices it enrols wait for the operator; scope enroll only
    HardwareReach hardware;            // what it may publish; limited: scope publish and no other
  };
  struct Created {
    std::string text;  // secret; cannot be had again
    Token token;
  };
  // Errors: invalid_argument (name, expiry in the past, approval without enroll, a limit with
  // another scope than publish), conflict (the name is taken).
  Result<Created> create(const Request& request, const std::string& actor);
  // Sorted by name, those after `after`.
  Result<Page<Token>> list(std::string_view after, std::size_t count_max) const;
  Result<Token> show(std::string_view name) const;  // not_found
  // Errors: not_found, conflict (nobody could rule the server any more).
  Result<void> revoke(std::string_view name, const std::string& actor);

  struct Bearer {
    std::string name;
    Digest hash;
    bool is_limited = false;  // its uses are counted
    bool is_used_up = false;  // of recognise() only
    HardwareReach hardware;   // all that it is for
    std::string trouble;      // why its use could not be noted, told once a minute; empty: none
  };
  // Who is it, and may they? Uses nothing up. Answers also while nothing can be written.
  // Errors: unauthorised (no such token, expired, used up), forbidden (lacks the scope).
  Result<Bearer> authorise(std::string_view text, Scopes::Scope needed);
  // Also where the token is used up: it may ask again for what it was used for.
  // Errors: unauthorised (no such token, expired), forbidden.
  Result<Bearer> recognise(std::string_view text, Scopes::Scope needed);
  // Whose it is, for the log, also of one that may not; nothing: nobody's.
  std::optional<std::string> name_of(std::string_view text) const;
  // Takes one use of a limited token, just before what it is for; nothing for others.
  // Errors: unauthorised (used up, or gone, meanwhile).
  Result<void> spend(const Bearer& bearer);
  // What it was for was refused: the use counts as not taken.
  Result<void> give_back(const Bearer& bearer);

 private:
  using Check = Result<void> (Token::*)(std::uint64_t now_unix_s) const;
  Result<Bearer> bearer_of(std::string_view text, Scopes::Scope needed, Check check);
  std::string note_use(const Token& token, std::uint64_t now_unix_s);

  Store& store_;
  const Clock& clock_;
  std::atomic<std::uint64_t> failed_unix_s_ = 0;  // when a use could not be noted; 0: never
};

}  // namespace mpyd::server
