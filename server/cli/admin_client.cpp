#include "server/cli/admin_client.hpp"

#include <sys/stat.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <cstdlib>

#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kTokenBytesMax = 512;

Outcome<std::string> read_token(const ServerOptions& options) {
  if (options.token_file.empty()) {
    const char* token = std::getenv("MPYD_TOKEN");
    if (token != nullptr && *token != '\0') return std::string(token);
    return failure(Errc::unauthorised, "no token was given");
  }
  struct stat status {};
  if (::stat(options.token_file.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
      (status.st_mode & 077U) != 0)
    return failure(Errc::forbidden, options.token_file + " is a secret, but others may read it",
                   "close it first: chmod 600 " + options.token_file);
  MPYD_TRY_ASSIGN(const ByteVector file, read_file_or_pipe(options.token_file, kTokenBytesMax));
  const std::string_view text = as_text(file);
  const std::string_view token = text.substr(0, text.find_first_of(" \r\n"));
  if (token.empty()) return failure(Errc::unauthorised, options.token_file + " holds no token");
  return std::string(token);
}

Errc code_of_status(unsigned status) {
  switch (status) {
    case 400:
    case 422:
      return Errc::malformed;
    case 401:
      return Errc::unauthorised;
    case 403:
      return Errc::forbidden;
    case 404:
      return Errc::not_found;
    case 409:
      return Errc::conflict;
    case 413:
      return Errc::limit;
    case 429:
    case 503:
      return Errc::too_many_requests;
    default:
      return Errc::internal;
  }
}

std::string optional_text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// problem+json (RFC 9457) with `code` and `hint` beside the standard members.
Failure problem_of(unsigned status, const json::object& problem) {
  const std::string code_name = optional_text(problem, "code");
  const Errc code = code_name.empty() ? code_of_status(status) : errc_named(code_name);
  std::string detail = optional_text(problem, "detail");
  if (detail.empty()) detail = optional_text(problem, "title");
  if (detail.empty()) detail = "the server answered with status " + std::to_string(status);
  return Failure(Error(code, std::move(detail)), optional_text(problem, "hint"));
}

}  // namespace

Outcome<AdminClient> AdminClient::open(const ServerOptions& options, unsigned answer_timeout_ms) {
  MPYD_TRY_ASSIGN(http::Client client,
                  http::Client::make(options.server, {.ca_file = options.ca_file,
                                                      .answer_timeout_ms = answer_timeout_ms}));
  MPYD_TRY_ASSIGN(std::string token, read_token(options));
  return AdminClient(std::move(client), std::move(token));
}

Outcome<json::object> AdminClient::send(http::ClientRequest request) const {
  request.bearer_token = token_;
  MPYD_TRY_ASSIGN(const http::ClientAnswer answer, client_.send(request));
  json::object object;
  if (!answer.body.empty()) {
    boost::system::error_code ec;
    json::value value = json::parse(as_text(answer.body), ec, {}, {.max_depth = 16});
    if (!ec && value.is_object()) object = std::move(value.get_object());
  }
  if (answer.status < 200 || answer.status > 299) return fail(problem_of(answer.status, object));
  if (object.empty() && answer.status != 204)
    return failure(Errc::malformed, url() + " did not answer with JSON",
                   "--server must be the admin address of an mpyd server");
  return object;
}

Outcome<json::object> AdminClient::send_json(const char* method, const std::string& target,
                                             const json::object& body) const {
  const std::string text = json::serialize(body);
  return send({.method = method,
               .target = target,
               .content_type = "application/json",
               .body = as_bytes(std::string_view(text))});
}

Outcome<json::object> AdminClient::get(const std::string& target) const {
  return send({.method = "GET", .target = target});
}
Outcome<json::object> AdminClient::post(const std::string& target, const json::object& body) const {
  return send_json("POST", target, body);
}
Outcome<json::object> AdminClient::put(const std::string& target, const json::object& body) const {
  return send_json("PUT", target, body);
}
Outcome<json::object> AdminClient::remove(const std::string& target) const {
  return send({.method = "DELETE", .target = target});
}
Outcome<json::object> AdminClient::post_bytes(const std::string& target,
                                              const std::string& content_type, Bytes body) const {
  return send({.method = "POST", .target = target, .content_type = content_type, .body = body});
}

std::string path_segment(std::string_view text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

std::string query_of(std::initializer_list<std::pair<const char*, std::string>> fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    out += out.empty() ? '?' : '&';
    out += name;
    out += '=';
    out += path_segment(value);
  }
  return out;
}

}  // namespace mpyd::server::cli
