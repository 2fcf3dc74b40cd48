#include <limits>

#include "protocol/crypto.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"
#include "server/http/list_query.hpp"

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
  json::array hardware;
  for (const std::string& pattern : token.hardware.patterns()) hardware.emplace_back(pattern);
  json::object out{{"name", token.name},
                   {"scopes", std::move(scopes)},
                   {"hardware", std::move(hardware)},
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

Result<Response> list_tokens(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request));
  const std::string after = list.after().empty() ? std::string() : list.after().front();
  MPYD_TRY_ASSIGN(const auto page, api.tokens.list(after, list.limit()));
  json::array out;
  for (const Token& token : page.items) out.push_back(token_json(token));
  Response response = json_response(200, {{"tokens", std::move(out)}});
  if (page.has_more) list.link_next(response, request, {page.items.back().name});
  return response;
}

Result<Response> show_token(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const Token token, api.tokens.show(request.params[0]));
  json::object out = token_json(token);
  Response response = json_response(200, out);
  // What using it changes; guarded is what somebody changes.
  for (const char* const name : {"uses", "last_used_unix_s"}) out.erase(name);
  response.guarded = json_response(200, out).body;
  return response;
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
  MPYD_TRY_ASSIGN(const auto hardware, fields.texts("hardware"));
  MPYD_TRY_ASSIGN(wanted.hardware, HardwareReach::make(hardware));
  MPYD_TRY(fields.done());
  std::string names;
  for (const std::string& scope : scopes) names += (names.empty() ? "" : " ") + scope;
  MPYD_TRY_ASSIGN(wanted.scopes, Scopes::parse(names));
  wanted.expires_unix_s = expires.value_or(0);
  MPYD_TRY_ASSIGN(auto created, api.tokens.create(wanted, request.actor));
  json::object body = token_json(created.token);
  body["token"] = created.text;
  crypto::wipe(std::as_writable_bytes(std::span(created.text)));
  Response response = json_response(201, body);
  response.is_secret = true;
  return response;
}

// Not by a rehearsal: that would tell the secret of a token that there is not.
Result<Response> create_token_again(const AdminApi&, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  MPYD_TRY_ASSIGN(const std::string name, JsonFields(object).text("name"));
  return fail(Errc::conflict,
              "this was done; the token's secret was shown once, with the first answer. Revoke the "
              "token '" +
                  name + "' and make another, with another Idempotency-Key");
}

Result<Response> revoke_token(const AdminApi& api, Request& request) {
  MPYD_TRY(api.tokens.revoke(request.params[0], request.actor));
  return Response{.status = 204};
}

Result<Response> whoami(const AdminApi& api, Request& request) {
  // The router named the bearer: token:NAME.
  const std::string name = request.actor.substr(request.actor.find(':') + 1);
  const auto token = api.tokens.show(name);
  if (!token && token.error().code == Errc::not_found)
    return fail(Errc::unauthorised, "the token was revoked just now");
  MPYD_TRY(token);
  return json_response(200, token_json(*token));
}

}  // namespace mpyd::server::http::handlers
