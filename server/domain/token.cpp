#include "server/domain/token.hpp"

#include <algorithm>
#include <array>

namespace mpyd::server {
namespace {

constexpr std::array kScopes = {Scopes::read, Scopes::publish, Scopes::operate, Scopes::admin,
                                Scopes::enroll};

constexpr std::size_t kTokenNameMax = 64;

}  // namespace

std::string_view name(Scopes::Scope scope) {
  switch (scope) {
    case Scopes::read:
      return "read";
    case Scopes::publish:
      return "publish";
    case Scopes::operate:
      return "operate";
    case Scopes::admin:
      return "admin";
    case Scopes::enroll:
      return "enroll";
  }
  return "unknown";
}

bool is_token_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= kTokenNameMax && std::ranges::all_of(text, allowed);
}

Result<Scopes> Scopes::parse(std::string_view text) {
  Scopes out;
  while (!text.empty()) {
    const std::size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    text = blank == std::string_view::npos ? std::string_view{} : text.substr(blank + 1);
    bool known = false;
    for (const Scope scope : kScopes) {
      if (server::name(scope) != word) continue;
      out.add(scope);
      known = true;
    }
    if (!known)
      return fail(Errc::invalid_argument, "there is no scope '" + std::string(word) +
                                              "'; there are read, publish, operate, admin, enroll");
  }
  if (out == Scopes{}) return fail(Errc::invalid_argument, "a token needs at least one scope");
  return out;
}

std::string Scopes::text() const {
  std::string out;
  for (const Scope scope : kScopes) {
    if ((bits_ & scope) == 0) continue;
    if (!out.empty()) out += ' ';
    out += server::name(scope);
  }
  return out;
}

bool Scopes::allows(Scope scope) const {
  if ((bits_ & scope) != 0) return true;
  if (scope == enroll) return false;
  if ((bits_ & admin) != 0) return true;
  return scope == read && (bits_ & (operate | publish)) != 0;
}

Result<void> Token::valid(std::uint64_t now_unix_s) const {
  if (expires_unix_s != 0 && now_unix_s >= expires_unix_s)
    return fail(Errc::unauthorised, "the token '" + name + "' has expired");
  return {};
}

Result<void> Token::usable(std::uint64_t now_unix_s) const {
  MPYD_TRY(valid(now_unix_s));
  if (is_used_up())
    return fail(Errc::unauthorised,
                "the token '" + name + "' was good for " +
                    (uses_max == 1 ? std::string("one use") : std::to_string(uses_max) + " uses") +
                    " and is used up");
  return {};
}

}  // namespace mpyd::server
