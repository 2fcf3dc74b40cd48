// From a request's head to the function that answers it.
#pragma once

#include <functional>
#include <memory>

#include "server/domain/token.hpp"
#include "server/http/message.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

class RouteMetrics;
class Metrics;

// inline_: microseconds, on the thread that read the request. slow: on the pool.
enum class Cost : std::uint8_t { inline_, slow };

// What a token that is limited to hardware IDs may do with a route.
enum class Limited : std::uint8_t {
  refused,  // nothing: it is about the fleet
  allowed,  // all: nothing there is about one hardware ID, or it is public
  own,      // what Request::reach covers; the handler sees to it
};
constexpr std::string_view name(Limited limited) {
  return limited == Limited::own ? "own" : limited == Limited::allowed ? "allowed" : "refused";
}

// One row of the route table. `pattern` is literal segments and {names}; HEAD is answered where GET
// is.
template <class Api>
struct Route {
  std::string_view method;
  std::string_view pattern;
  Cost cost;
  std::size_t body_bytes_max;  // 0: requests have no body
  Scopes::Scope scope;         // admin listener only
  Result<Response> (*handler)(const Api&, Request&);
  // Admin listener only: names of query parameters, separated by blanks.
  std::string_view query = {};
  // What GET would tell of what this changes: If-Match is compared with it. Null: nothing.
  Result<Response> (*changes)(const Api&, Request&) = nullptr;
  std::string_view content_type = {};  // of the body, without parameters; empty: not looked at
  Limited limited = Limited::refused;  // admin listener only
  // Admin listener only: answers who asks once more, with the same Idempotency-Key, for what was
  // done and whose answer was not kept. Null: a rehearsal of the handler, which may leave nothing
  // behind but what it writes in transactions, and tell nothing that is new each time.
  Result<Response> (*repeat)(const Api&, Request&) = nullptr;
  // What can be said at once, without the handler and its cost; microseconds. Null: nothing.
  std::optional<Response> (*at_once)(const Api&, const RequestHead&) = nullptr;
};

// Does the path fit the pattern? Then `params` is what the {names} stand for.
bool matches(std::string_view pattern, const std::vector<std::string>& segments,
             std::vector<std::string>& params);

// What is known of a request before its body is read.
struct Plan {
  std::optional<Response> refusal;  // answer this, and read no body
  Cost cost = Cost::inline_;
  std::size_t body_bytes_max = 0;
  std::vector<std::string> params;
  std::string actor;
  std::shared_ptr<void> share;      // held until the answer is out
  RouteMetrics* metrics = nullptr;  // where the answer is counted; null: nowhere
  bool is_routine = false;  // what devices and probes ask all day: logged for debugging only
  std::function<Result<Response>(Request&)> run;
};

// What a listener serves. Called from several threads.
class Application {
 public:
  virtual ~Application() = default;
  virtual Plan plan(const RequestHead& head) const = 0;
  // What the answer to a request counts for that was never read to the end of its head.
  virtual RouteMetrics* unplanned() const = 0;
  // What refusals count for.
  virtual Metrics* metrics() const = 0;
};

}  // namespace mpyd::server::http
