// What the bearer of a token may do.
#pragma once

#include <string>
#include <string_view>

#include "protocol/digest.hpp"
#include "server/domain/hardware_reach.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

// A set of scopes. `admin` implies all others but `enroll`; `operate` and `publish` imply `read`.
class Scopes {
 public:
  enum Scope : std::uint8_t { read = 1, publish = 2, operate = 4, admin = 8, enroll = 16 };

  constexpr Scopes() = default;
  constexpr Scopes(Scope scope)
      : bits_(scope) {}  // NOLINT(google-explicit-constructor): a set of one

  // Names separated by blanks. Errors: invalid_argument (unknown name, none at all).
  static Result<Scopes> parse(std::string_view text);
  std::string text() const;

  void add(Scope scope) { bits_ = static_cast<std::uint8_t>(bits_ | scope); }
  // May the bearer do what needs `scope`?
  bool allows(Scope scope) const;

  friend bool operator==(const Scopes&, const Scopes&) = default;

 private:
  std::uint8_t bits_ = 0;
};

std::string_view name(Scopes::Scope scope);

// 1..64 of a-z 0-9 . _ -
bool is_token_name(std::string_view text);

struct Token {
  Digest hash;       // SHA-256 of the token's text
  std::string name;  // is_token_name()
  Scopes scopes;
  std::uint64_t created_unix_s = 0;
  std::uint64_t expires_unix_s = 0;    // 0: never
  std::uint64_t last_used_unix_s = 0;  // 0: not yet
  std::uint32_t uses_max = 0;          // 0: any number
  std::uint32_t uses = 0;              // so far; counted only where there is a limit
  bool needs_approval = false;         // a device it enrols waits for the operator
  HardwareReach hardware;              // what it may publish; limited tokens may do nothing else

  bool is_used_up() const { return uses_max != 0 && uses >= uses_max; }
  // Errors: unauthorised (expired).
  Result<void> valid(std::uint64_t now_unix_s) const;
  // Errors: unauthorised (expired, or used up).
  Result<void> usable(std::uint64_t now_unix_s) const;
};

}  // namespace mpyd::server
