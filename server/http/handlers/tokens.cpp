#include <limits>

#include "protocol/crypto.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kUsesMax = 1'000'000'000;

json::object token_json(const Token& token) {
  json::array scopes;
  const std::string text = token.scopes.text();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    scopes.emplace_back(std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  json::object out{{"name", token.name},
                   {"scopes", std::move(scopes)},
                   {"created_unix_s", token.created_unix_s},
                   {"expires_unix_s", nullptr},
                   {"uses_max", nullptr},
                   {"uses", nullptr},
                   {"needs_approval", token.needs_approval},
                   {"last_used_unix_s", nullptr}};
  if (token.expires_unix_s != 0) out["expires_unix_s"] = token.expires_unix_s;
  if (token.uses_max != 0) {
    out["uses_max"] = token.uses_max;
    out["uses"] = token.uses;
  }
  if (token.last_used_unix_s != 0) out["last_used_unix_s"] = token.last_used_unix_s;
  return out;
}

}  // namespace

Result<Response> list_tokens(const AdminApi& api, Request&) {
  MPYD_TRY_ASSIGN(const auto tokens, api.tokens.list());
  json::array out;
  for (const Token& token : tokens) out.push_back(token_json(token));
  return json_response(200, {{"tokens", std::move(out)}});
}

Result<Response> create_token(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  TokenService::Request wanted;
  MPYD_TRY_ASSIGN(wanted.name, fields.text("name"));
  MPYD_TRY_ASSIGN(const auto scopes, fields.texts("scopes"));
  MPYD_TRY_ASSIGN(
      const auto expires,
      fields.optional_number("expires_unix_s", std::numeric_limits<std::int64_t>::max()));
  MPYD_TRY_ASSIGN(const auto uses, fields.optional_number("uses_max", kUsesMax));
  wanted.uses_max = static_cast<std::uint32_t>(uses.value_or(0));
  MPYD_TRY_ASSIGN(wanted.needs_approval, fields.flag("needs_approval"));
  MPYD_TRY(fields.done());
  std::string names;
  for (const std::string& scope : scopes) names += (names.empty() ? "" : " ") + scope;
  MPYD_TRY_ASSIGN(wanted.scopes, Scopes::parse(names));
  wanted.expires_unix_s = expires.value_or(0);
  MPYD_TRY_ASSIGN(auto created, api.tokens.create(wanted, request.actor));
  json::object body = token_json(created.token);
  body["token"] = created.text;
  crypto::wipe(std::as_writable_bytes(std::span(created.text)));
  return json_response(201, body);
}

Result<Response> revoke_token(const AdminApi& api, Request& request) {
  MPYD_TRY(api.tokens.revoke(request.params[0], request.actor));
  return Response{.status = 204};
}

}  // namespace mpyd::server::http::handlers
