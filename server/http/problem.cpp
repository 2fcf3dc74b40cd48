#include "server/http/problem.hpp"

#include <boost/json.hpp>

#include "server/http/json_response.hpp"

namespace mpyd::server::http {
namespace {

// clang-format off
constexpr ProblemKind kKinds[] = {
    {Errc::truncated,         400, "send the whole file"},
    {Errc::trailing,          400, "send the file as it was built"},
    {Errc::bad_magic,         400, "send packages made by mpyd pack or mpyd publish"},
    {Errc::bad_checksum,      400, ""},
    {Errc::malformed,         400, ""},
    {Errc::unsupported,       400, "this mpyd does not know the format; update the older side"},
    {Errc::limit,             422, ""},
    {Errc::blank,             400, ""},
    {Errc::bad_signature,     422, "sign with a key that the policy entry names"},
    {Errc::threshold,         422, "let as many publishers sign as the policy entry demands"},
    {Errc::bad_digest,        422, ""},
    {Errc::decryption,        422, ""},
    {Errc::no_key,            422, "seal the package to the key of this server's root"},
    {Errc::untrusted,         403, "the operator names the publisher: mpyd trust delegate"},
    {Errc::revoked,           403, ""},
    {Errc::expired,           422, "sign the targets head again with a later expiry"},
    {Errc::rollback,          409, "start from what the server has now"},
    {Errc::policy,            403, ""},
    {Errc::wrong_hardware,    422, ""},
    {Errc::wrong_abi,         422, ""},
    {Errc::equivocation,      409, "raise the version"},
    {Errc::no_driver,         404, ""},
    {Errc::unknown_device,    404, ""},
    {Errc::replayed,          400, ""},
    {Errc::key_retired,       409, ""},
    {Errc::timeout,           503, "try again"},
    {Errc::not_found,         404, ""},
    {Errc::conflict,          409, ""},
    {Errc::unauthorised,      401, "send Authorization: Bearer TOKEN; mpyd token create makes one"},
    {Errc::forbidden,         403, ""},
    {Errc::invalid_argument,  400, ""},
    {Errc::too_many_requests, 503, "try again in a moment"},
    {Errc::io,                500, ""},
    {Errc::internal,          500, ""},
};
// clang-format on

}  // namespace

std::span<const ProblemKind> problem_kinds() { return kKinds; }

const ProblemKind& problem_kind(Errc code) {
  for (const ProblemKind& kind : kKinds)
    if (kind.code == code) return kind;
  return kKinds[std::size(kKinds) - 1];
}

Response problem_response(const Error& error, const RequestHead& head) {
  const ProblemKind& kind = problem_kind(error.code);
  return problem_response(kind.status, kind.code, error.message, head);
}

Response problem_response(unsigned status, Errc code, const std::string& detail,
                          const RequestHead& head) {
  boost::json::object problem{
      {"type", "urn:mpyd:problem:" + std::string(name(code))},
      {"title", describe(code)},
      {"status", status},
      {"detail", status >= 500 ? std::string(describe(code)) : detail},
      {"instance", "urn:mpyd:request:" + head.request_id},
      {"code", name(code)},
  };
  if (const std::string_view hint = problem_kind(code).hint; !hint.empty()) problem["hint"] = hint;
  Response response = json_response(status, problem);
  response.content_type = "application/problem+json";
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"mpyd\"");
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace mpyd::server::http
