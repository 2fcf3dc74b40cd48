#include "server/cli/admin_client.hpp"

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

// The server speaks to whoever sends requests. Where a command line can say it better, it does.
std::string hint_of(unsigned status, Errc code, const json::object& problem) {
  if (code == Errc::unauthorised) return default_hint(code);
  if (code == Errc::unknown_device) return "mpyd device list shows the devices that there are";
  if (code == Errc::not_found)
    return "mpyd search, mpyd device list and mpyd token list show what there is";
  if (status == 404 && code == Errc::invalid_argument)
    return "--server (MPYD_SERVER) is the admin address of an mpyd server, such as "
           "http://127.0.0.1:8781";
  if (status == 400 && code == Errc::invalid_argument)
    return "the same command with --help tells what it takes, with an example";
  return optional_text(problem, "hint");
}

// problem+json (RFC 9457) with `code` and `hint` beside the standard members.
Failure problem_of(const http::ClientAnswer& answer, const json::object& problem) {
  const unsigned status = answer.status;
  const std::string code_name = optional_text(problem, "code");
  const Errc code = code_name.empty() ? code_of_status(status) : errc_named(code_name);
  std::string detail = optional_text(problem, "detail");
  if (detail.empty()) detail = optional_text(problem, "title");
  if (detail.empty()) detail = "the server answered with status " + std::to_string(status);
  if (status >= 500 && !answer.request_id.empty()) detail += " (request " + answer.request_id + ")";
  return Failure(Error(code, std::move(detail)), hint_of(status, code, problem));
}

// Empty if it is none.
json::object json_of(const http::ClientAnswer& answer) {
  boost::system::error_code ec;
  json::value value = json::parse(as_text(answer.body), ec, {}, {.max_depth = 16});
  return !ec && value.is_object() ? std::move(value.get_object()) : json::object();
}

bool is_success(const http::ClientAnswer& answer) {
  return answer.status >= 200 && answer.status <= 299;
}

// `</path?query>; rel="next"` -> /path?query; empty for anything else. Never another server's.
std::string next_target(std::string_view link) {
  const std::size_t end = link.find('>');
  if (!link.starts_with("</v1/") || end == std::string_view::npos ||
      link.substr(end + 1) != "; rel=\"next\"")
    return {};
  return std::string(link.substr(1, end - 1));
}

}  // namespace

Outcome<std::string> read_token(const ServerOptions& options) {
  if (options.token_file.empty()) {
    const char* token = std::getenv("MPYD_TOKEN");
    if (token != nullptr && *token != '\0') return std::string(token);
    return failure(Errc::unauthorised, "no token was given",
                   "mpyd login keeps one in a profile; or give --token-file FILE, or set "
                   "MPYD_TOKEN_FILE or MPYD_TOKEN");
  }
  MPYD_TRY_ASSIGN(const ByteVector file, read_file_or_pipe(options.token_file, kTokenBytesMax));
  const std::string_view text = as_text(file);
  const std::string_view token = text.substr(0, text.find_first_of(" \r\n"));
  if (token.empty()) return failure(Errc::unauthorised, options.token_file + " holds no token");
  return std::string(token);
}

Outcome<AdminClient> AdminClient::open(const ServerOptions& options, unsigned answer_timeout_ms) {
  // The address first: what is wrong with it is to be heard before a token is looked for.
  MPYD_TRY(http::Client::make(options.server, {.ca_file = options.ca_file}));
  MPYD_TRY_ASSIGN(std::string token, read_token(options));
  return open_with(options, std::move(token), answer_timeout_ms);
}

Outcome<AdminClient> AdminClient::open_with(const ServerOptions& options, std::string token,
                                            unsigned answer_timeout_ms) {
  MPYD_TRY_ASSIGN(http::Client client,
                  http::Client::make(options.server, {.ca_file = options.ca_file,
                                                      .answer_timeout_ms = answer_timeout_ms}));
  return AdminClient(std::move(client), std::move(token));
}

Outcome<AdminClient::Answer> AdminClient::ask(http::ClientRequest request) const {
  request.bearer_token = token_;
  MPYD_TRY_ASSIGN(const http::ClientAnswer answer, client_.send(request));
  json::object object = json_of(answer);
  if (!is_success(answer)) return fail(problem_of(answer, object));
  if (object.empty() && answer.status != 204)
    return failure(Errc::malformed, url() + " did not answer with JSON",
                   "--server must be the admin address of an mpyd server");
  return Answer{std::move(object), next_target(answer.link), answer.body.size()};
}

Outcome<json::object> AdminClient::send(http::ClientRequest request) const {
  MPYD_TRY_ASSIGN(Answer answer, ask(std::move(request)));
  return std::move(answer.object);
}

Outcome<json::object> AdminClient::get_all(const std::string& target, std::string_view rows,
                                           std::size_t rows_max) const {
  json::array all;
  std::size_t bytes = 0;
  std::string next = target;
  while (!next.empty() && all.size() < rows_max) {
    MPYD_TRY_ASSIGN(Answer page, ask({.method = "GET", .target = next}));
    json::value* const list = page.object.if_contains(rows);
    if (list == nullptr || !list->is_array())
      return failure(Errc::malformed, url() + next + " did not answer with a list");
    // A next page is there for what this one had no room for; else this has no end.
    if (!page.next.empty() && (list->get_array().empty() || page.next == next))
      return failure(Errc::malformed, url() + next + " names a next page, and leads nowhere",
                     "a cache between here and the server may be broken");
    bytes += page.bytes;
    if (bytes > kListedBytesMax)
      return failure(Errc::limit,
                     "the list at " + url() + target + " takes more than " +
                         std::to_string(kListedBytesMax) + " bytes",
                     "ask for less of it at once, by the command's filters (--help)");
    for (json::value& row : list->get_array()) all.push_back(std::move(row));
    next = std::move(page.next);
  }
  return json::object{{rows, std::move(all)}};
}

Outcome<json::object> AdminClient::send_json(const char* method, const std::string& target,
                                             const json::object& body,
                                             std::size_t answer_bytes_max) const {
  const std::string text = json::serialize(body);
  return send({.method = method,
               .target = target,
               .content_type = "application/json",
               .body = as_bytes(std::string_view(text)),
               .answer_bytes_max = answer_bytes_max});
}

Outcome<json::object> AdminClient::get(const std::string& target,
                                       std::size_t answer_bytes_max) const {
  return send({.method = "GET", .target = target, .answer_bytes_max = answer_bytes_max});
}
Outcome<ByteVector> AdminClient::get_bytes(const std::string& target) const {
  MPYD_TRY_ASSIGN(http::ClientAnswer answer,
                  client_.send({.method = "GET", .target = target, .bearer_token = token_}));
  if (!is_success(answer)) return fail(problem_of(answer, json_of(answer)));
  return std::move(answer.body);
}
Outcome<json::object> AdminClient::post(const std::string& target, const json::object& body,
                                        std::size_t answer_bytes_max) const {
  return send_json("POST", target, body, answer_bytes_max);
}
Outcome<json::object> AdminClient::put(const std::string& target, const json::object& body) const {
  return send_json("PUT", target, body, kObjectBytesMax);
}
Outcome<json::object> AdminClient::remove(const std::string& target) const {
  return send({.method = "DELETE", .target = target, .answer_bytes_max = kObjectBytesMax});
}
Outcome<json::object> AdminClient::post_bytes(const std::string& target,
                                              const std::string& content_type, Bytes body,
                                              const std::string& idempotency_key) const {
  return send({.method = "POST",
               .target = target,
               .content_type = content_type,
               .body = body,
               .idempotency_key = idempotency_key});
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
