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
    {Errc::bad_checksum,      400, "the file was damaged on its way; take it from its source again"},
    {Errc::malformed,         400, "compare the request with /v1/openapi.json"},
    {Errc::unsupported,       400, "this mpyd does not know the format; update the older side"},
    {Errc::limit,             422, "stay within the bound that is named"},
    {Errc::blank,             400, "write the EEPROM first: mpyd eeprom write"},
    {Errc::bad_signature,     422, "sign with a key that the policy entry names"},
    {Errc::threshold,         422, "let as many publishers sign as the policy entry demands"},
    {Errc::bad_digest,        422, "the content was changed after signing; build and sign it again"},
    {Errc::decryption,        422, "build the package again, with the newest root"},
    {Errc::no_key,            422, "seal the package to the key of this server's root"},
    {Errc::untrusted,         403, "the operator names the publisher: mpyd trust delegate"},
    {Errc::revoked,           403, "use a key, package or device that was not revoked"},
    {Errc::expired,           422, "sign the targets head again with a later expiry"},
    {Errc::rollback,          409, "start from what the server has now"},
    {Errc::policy,            403, "the operator decides what policy allows: mpyd trust show"},
    {Errc::wrong_hardware,    422, "name the hardware ID that the package was signed for"},
    {Errc::wrong_abi,         422, "build the driver for this ABI"},
    {Errc::equivocation,      409, "raise the version"},
    {Errc::no_driver,         404, "mpyd explain says why each release does not fit"},
    {Errc::unknown_device,    404, "enrol the device: mpyd device provision"},
    {Errc::replayed,          400, "start the exchange anew"},
    {Errc::key_retired,       409, "take the newest root from the server"},
    {Errc::timeout,           503, "try again"},
    {Errc::not_found,         404, "the lists show what there is, and its names"},
    {Errc::conflict,          409, "look at what is there before trying again"},
    {Errc::unauthorised,      401, "send Authorization: Bearer TOKEN; mpyd token create makes one"},
    {Errc::forbidden,         403, "use a token with the scope that is named; an admin makes one: mpyd token create"},
    {Errc::invalid_argument,  400, "compare the request with /v1/openapi.json"},
    {Errc::too_many_requests, 429, "wait as long as Retry-After says, and try again"},
    {Errc::changed,           412, "read it again, and decide again"},
    {Errc::key_reused,        422, "make a new key for every request; repeat one only with the same body"},
    {Errc::in_progress,       409, "wait as long as Retry-After says, and repeat the same request"},
    {Errc::not_ready,         503, "mend what `checks` names; the server's log says more"},
    {Errc::io,                500, "the server's log says more, under the request's id"},
    {Errc::internal,          500, "the server's log says more, under the request's id"},
};
// clang-format on

boost::json::object usual_members(unsigned status, Errc code, const std::string& detail,
                                  const RequestHead& head) {
  return {{"type", "urn:mpyd:problem:" + std::string(name(code))},
          {"title", describe(code)},
          {"status", status},
          {"detail", detail},
          {"instance", "urn:mpyd:request:" + head.request_id},
          {"code", name(code)},
          {"hint", problem_kind(code).hint}};
}

Response respond(Errc code, const boost::json::object& problem) {
  const auto status = problem.at("status").to_number<unsigned>();
  Response response = json_response(status, problem);
  response.content_type = "application/problem+json";
  response.problem = code;
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"mpyd\"");
  if (status == 503 || status == 429 || code == Errc::in_progress)
    response.headers.emplace_back("Retry-After", "1");
  return response;
}

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
  return respond(code, usual_members(status, code,
                                     status >= 500 ? std::string(describe(code)) : detail, head));
}

Response problem_response(Errc code, const std::string& detail, std::string_view member,
                          const boost::json::value& value, const RequestHead& head) {
  boost::json::object problem = usual_members(problem_kind(code).status, code, detail, head);
  problem[member] = value;
  return respond(code, problem);
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
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
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
