// From a request's head to the function that answers it.
#pragma once

#include <functional>
#include <memory>

#include "server/domain/token.hpp"
#include "server/http/message.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

// inline_: microseconds, on the thread that read the request. slow: on the pool.
enum class Cost : std::uint8_t { inline_, slow };

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
  std::string_view content_type = {};  // of the body, without parameters; empty: not looked at
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
  std::function<Result<Response>(Request&)> run;
};

// What a listener serves. Called from several threads.
class Application {
 public:
  virtual ~Application() = default;
  virtual Plan plan(const RequestHead& head) const = 0;
};

}  // namespace mpyd::server::http
