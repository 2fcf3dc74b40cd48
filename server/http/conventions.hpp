// What holds for every route of /v1/admin, whatever its handler does:
//
//   query parameters     only those of the route's row, each once
//   GET                  ETag over the representation; If-None-Match answers 304
//   If-Match             compared with what the route's row says it changes, again inside the
//                        transaction of the change; 412 if it is another by then. What changes by
//                        itself (Response::guarded leaves it out) is not looked at
//   POST                 an Idempotency-Key makes it happen once (services/request_memory.hpp)
//   a token's uses       one for each request that was not refused; none for a repeated one
//   a token's share      429 beyond so many slow requests at once
#pragma once

#include "server/http/fair_share.hpp"
#include "server/http/routes.hpp"

namespace mpyd::server::http {

// Before the body is read. Errors: invalid_argument (query, or a header that means nothing here).
Result<void> check_conventions(const Route<AdminApi>& route, const RequestHead& head);

// Runs the handler. Errors: changed (412), in_progress (409), key_reused (422), and the handler's.
// It also spends the token, where its uses are counted.
Result<Response> run_by_conventions(const AdminApi& api, const Route<AdminApi>& route,
                                    const TokenService::Bearer& bearer, Request& request);

// Runs `f`. A token that is good for some uses only pays with one, unless `f` is refused.
template <class F>
Result<Response> run_paid(const AdminApi& api, const TokenService::Bearer& bearer, const F& f) {
  MPYD_TRY(api.tokens.spend(bearer));
  Result<Response> response = f();
  if (!response) MPYD_TRY(api.tokens.give_back(bearer));
  return response;
}

}  // namespace mpyd::server::http
