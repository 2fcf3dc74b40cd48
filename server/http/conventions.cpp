#include "server/http/conventions.hpp"

#include <spdlog/spdlog.h>
#include <algorithm>

#include "protocol/crypto.hpp"
#include "server/http/entity_tag.hpp"
#include "server/http/problem.hpp"

namespace mpyd::server::http {
namespace {

constexpr std::size_t kIdempotencyKeyMax = 128;

bool is_reading(const RequestHead& head) { return head.method == "GET" || head.method == "HEAD"; }

// `names`: separated by blanks.
bool is_one_of(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const std::string_view word = names.substr(0, names.find(' '));
    names.remove_prefix(std::min(word.size() + 1, names.size()));
    if (word == name) return true;
  }
  return false;
}

Result<void> check_query(std::string_view known, const RequestHead& head) {
  for (auto at = head.query.begin(); at != head.query.end(); ++at) {
    const std::string& name = at->first;
    if (!is_one_of(known, name))
      return fail(Errc::invalid_argument,
                  "there is no parameter '" + name.substr(0, 64) + "' here" +
                      (known.empty() ? "" : "; there are " + std::string(known)));
    if (std::any_of(head.query.begin(), at, [&](const auto& other) { return other.first == name; }))
      return fail(Errc::invalid_argument, "the parameter '" + name + "' is there twice");
  }
  return {};
}

Result<void> check_key(std::string_view key) {
  if (!key.empty() && key.size() <= kIdempotencyKeyMax &&
      std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; }))
    return {};
  return fail(Errc::invalid_argument,
              "an Idempotency-Key is 1 to " + std::to_string(kIdempotencyKeyMax) +
                  " printable characters without blanks; 32 random hex digits are a good one");
}

Result<Response> get(const AdminApi& api, const Route<AdminApi>& route, Request& request) {
  MPYD_TRY_ASSIGN(Response response, route.handler(api, request));
  if (response.status != 200) return response;
  const std::string tag = entity_tag(response);
  // It may be kept, but never used without asking here.
  std::erase_if(response.headers,
                [](const auto& header) { return header.first == "Cache-Control"; });
  response.headers.emplace_back("Cache-Control", "private, no-cache");
  response.headers.emplace_back("ETag", tag);
  if (!names_all(request.head.if_none_match, tag)) return response;
  response.status = 304;
  response.body.clear();
  return response;
}

// Is what the request would change still what its If-Match says?
Result<void> check_match(const AdminApi& api, const Route<AdminApi>& route, Request& request) {
  MPYD_TRY_ASSIGN(const Response present, route.changes(api, request));
  if (names_guarded(request.head.if_match, entity_tag(present))) return {};
  return fail(Errc::changed,
              "what you change is not what your If-Match says any more: somebody else changed it");
}

Result<Response> change(const AdminApi& api, const Route<AdminApi>& route, Request& request,
                        JoinableStore::Guest& guest) {
  if (!request.head.if_match.empty() && !guest.is_rehearsal) {
    MPYD_TRY(check_match(api, route, request));
    guest.before = [&](Transaction&) { return check_match(api, route, request); };
  }
  const JoinableStore::Visit visit(api.store, guest);
  return route.handler(api, request);
}

Digest digest_of(const Request& request) {
  crypto::Sha256 hash;
  const auto add = [&](std::string_view text) {
    hash.update(as_bytes(text));
    hash.update(as_bytes(std::string_view("\0", 1)));
  };
  add(request.head.method);
  add(request.head.path);
  for (const auto& [name, value] : request.head.query) {
    add(name);
    add(value);
  }
  add("");
  hash.update(request.bytes());
  return hash.finish();
}

Response remembered(const AnsweredRequest& answer) {
  return {.status = answer.status,
          .content_type = answer.content_type,
          .headers = {{"Cache-Control", "no-store"}, {"Idempotency-Replayed", "true"}},
          .body = answer.body};
}

Response too_many_keys(const RequestMemory::Turn::Full& full, const RequestHead& head) {
  Response response =
      problem_response(429, Errc::too_many_requests,
                       full.why + "; go on with another token, or without a key", head);
  for (auto& [name, value] : response.headers)
    if (name == "Retry-After") value = std::to_string(full.wait_s);
  return response;
}

Result<Response> change_once(const AdminApi& api, const Route<AdminApi>& route,
                             const TokenService::Bearer& bearer, Request& request) {
  MPYD_TRY_ASSIGN(const auto turn, api.requests.begin({.token = bearer.hash,
                                                       .key = *request.head.idempotency_key,
                                                       .request = digest_of(request)}));
  if (turn.answer() != nullptr) return remembered(*turn.answer());
  if (turn.full()) return too_many_keys(*turn.full(), request.head);
  if (turn.was_done() && route.repeat != nullptr) return route.repeat(api, request);
  JoinableStore::Guest guest{.before = {},
                             .after = [&](Transaction& tx) { return turn.note(tx); },
                             .is_rehearsal = turn.was_done()};
  const auto run = [&] { return change(api, route, request, guest); };
  auto response = guest.is_rehearsal ? run() : run_paid(api, bearer, run);
  if (!response || response->is_secret) return response;
  // It was noted with the change: without the answer, whoever repeats it gets it by a rehearsal.
  if (const auto kept = turn.keep(response->status, response->content_type, response->body); !kept)
    spdlog::warn("request {}: the answer is not kept: {}", request.head.request_id,
                 kept.error().message);
  if (guest.is_rehearsal) response->headers.emplace_back("Idempotency-Replayed", "true");
  return response;
}

}  // namespace

Result<void> check_conventions(const Route<AdminApi>& route, const RequestHead& head) {
  MPYD_TRY(check_query(route.query, head));
  if (is_reading(head)) return {};
  if (head.idempotency_key) MPYD_TRY(check_key(*head.idempotency_key));
  if (!head.if_none_match.empty())
    return fail(Errc::invalid_argument, "If-None-Match is for GET; If-Match guards a change");
  if (!head.if_match.empty() && route.changes == nullptr)
    return fail(Errc::invalid_argument, "If-Match means nothing here: this makes something new");
  return {};
}

Result<Response> run_by_conventions(const AdminApi& api, const Route<AdminApi>& route,
                                    const TokenService::Bearer& bearer, Request& request) {
  if (route.method == "POST" && request.head.idempotency_key)
    return change_once(api, route, bearer, request);
  return run_paid(api, bearer, [&]() -> Result<Response> {
    if (is_reading(request.head)) return get(api, route, request);
    JoinableStore::Guest guest;
    return change(api, route, request, guest);
  });
}

}  // namespace mpyd::server::http
