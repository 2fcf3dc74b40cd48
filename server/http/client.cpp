#include "server/http/client.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/vector_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <chrono>
#include <ctime>
#include <memory>

#include "server/util/build_version.hpp"

namespace mpyd::server::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;
using std::chrono::milliseconds;

using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using WireRequest = bhttp::request<bhttp::span_body<const char>>;

bool is_loopback(const std::string& host) {
  error_code ec;
  const auto address = asio::ip::make_address(host, ec);
  return ec ? host == "localhost" : address.is_loopback();
}

Error network_error(const error_code& ec, const std::string& url, std::string_view doing) {
  const bool late = ec == beast::error::timeout;
  return Error(late ? Errc::timeout : Errc::unreachable,
               std::string(doing) + " " + url + ": " + (late ? "too slow" : ec.message()));
}

std::string shown_clock() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char text[32] = "";
  if (gmtime_r(&now, &utc) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
  return text;
}

// Why there is no TLS, as far as it is one of the usual reasons.
std::string tls_reason(const error_code& ec, const std::string& host, long verified) {
  if (verified == X509_V_ERR_CERT_HAS_EXPIRED || verified == X509_V_ERR_CERT_NOT_YET_VALID)
    return std::string("its certificate ") +
           (verified == X509_V_ERR_CERT_HAS_EXPIRED ? "has expired" : "is not valid yet") +
           ", or the clock of this machine is wrong: it shows " + shown_clock();
  // The check of the name says no, not why.
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(ec.value()));
  if (verified == X509_V_ERR_UNSPECIFIED ||
      (verified == X509_V_OK && reason == SSL_R_CERTIFICATE_VERIFY_FAILED))
    return "its certificate is not one for " + host;
  if (verified != X509_V_OK)
    return std::string("its certificate is not trusted here (") +
           X509_verify_cert_error_string(verified) +
           "); name the PEM file to verify it with (--ca-file)";
  if (reason == SSL_R_WRONG_VERSION_NUMBER)
    return "it answers in clear; write http:// if that is meant";
  return ec.message();
}

struct Job {
  const ClientOptions& options;
  const std::string& url;
  const std::string& host;
  const std::string& port;
  WireRequest& request;
  std::size_t answer_bytes_max;
};

#define MPYD_ASIO(ec) asio::redirect_error(asio::use_awaitable, ec)

asio::awaitable<Result<void>> connect(beast::tcp_stream& stream, const Job& job) {
  error_code ec;
  asio::ip::tcp::resolver resolver(stream.get_executor());
  const auto found = co_await resolver.async_resolve(job.host, job.port, MPYD_ASIO(ec));
  if (ec) co_return fail(network_error(ec, job.url, "cannot find"));
  stream.expires_after(milliseconds(job.options.connect_timeout_ms));
  co_await stream.async_connect(found, MPYD_ASIO(ec));
  if (ec) co_return fail(network_error(ec, job.url, "cannot reach"));
  co_return Result<void>{};
}

template <class Stream>
asio::awaitable<Result<ClientAnswer>> exchange(Stream& stream, const Job& job) {
  error_code ec;
  beast::get_lowest_layer(stream).expires_after(milliseconds(job.options.answer_timeout_ms));
  co_await bhttp::async_write(stream, job.request, MPYD_ASIO(ec));
  // A server that refuses a body early may answer and close before it was all sent: read anyway.
  const error_code write_error = ec;
  beast::flat_buffer buffer;
  bhttp::response_parser<bhttp::vector_body<char>> parser;
  parser.body_limit(job.answer_bytes_max);
  parser.header_limit(16 * 1024);
  co_await bhttp::async_read(stream, buffer, parser, MPYD_ASIO(ec));
  if (ec == bhttp::error::body_limit)
    co_return fail(Errc::limit, "the answer of " + job.url + " is larger than " +
                                    std::to_string(job.answer_bytes_max) + " bytes");
  if (ec) {
    Error failed = network_error(write_error ? write_error : ec, job.url, "no answer from");
    // What a listener with TLS does to a request in clear.
    if (job.url.starts_with("http:") &&
        (ec == bhttp::error::end_of_stream || ec == asio::error::connection_reset))
      failed.message += "; write https:// if it expects that";
    co_return fail(std::move(failed));
  }
  ClientAnswer answer;
  answer.status = parser.get().result_int();
  answer.content_type = std::string(parser.get()[bhttp::field::content_type]);
  answer.date = std::string(parser.get()[bhttp::field::date]);
  answer.link = std::string(parser.get()[bhttp::field::link]);
  answer.request_id = std::string(parser.get()["X-Request-Id"]);
  const std::vector<char>& body = parser.get().body();
  answer.body = to_vector(as_bytes(std::string_view(body.data(), body.size())));
  co_return answer;
}

asio::awaitable<Result<ClientAnswer>> send_plain(const Job& job) {
  beast::tcp_stream stream(co_await asio::this_coro::executor);
  if (auto done = co_await connect(stream, job); !done) co_return fail(std::move(done).error());
  co_return co_await exchange(stream, job);
}

asio::awaitable<Result<ClientAnswer>> send_tls(const Job& job) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  error_code ec;
  if (job.options.ca_file.empty())
    context.set_default_verify_paths(ec);
  else
    context.load_verify_file(job.options.ca_file, ec);
  if (ec)
    co_return fail(Errc::invalid_argument,
                   "cannot read the certificates in " + job.options.ca_file + ": " + ec.message());
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  TlsStream stream(co_await asio::this_coro::executor, context);
  stream.set_verify_mode(asio::ssl::verify_peer);
  stream.set_verify_callback(asio::ssl::host_name_verification(job.host));
  // SSL_set_tlsext_host_name, spelled out: the macro is an old-style cast.
  SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           const_cast<char*>(job.host.c_str()));
  if (auto done = co_await connect(stream.next_layer(), job); !done)
    co_return fail(std::move(done).error());
  co_await stream.async_handshake(asio::ssl::stream_base::client, MPYD_ASIO(ec));
  if (ec && ec != beast::error::timeout)
    co_return fail(Errc::unreachable,
                   "no TLS with " + job.url + ": " +
                       tls_reason(ec, job.host, SSL_get_verify_result(stream.native_handle())));
  if (ec) co_return fail(network_error(ec, job.url, "no TLS with"));
  co_return co_await exchange(stream, job);
}

#undef MPYD_ASIO

WireRequest make_wire_request(const ClientRequest& request, const std::string& host) {
  WireRequest out;
  out.version(11);
  out.method_string(request.method);
  out.target(request.target);
  out.set(bhttp::field::host, host);
  out.set(bhttp::field::user_agent, "mpyd/" + std::string(build_version()));
  out.set(bhttp::field::accept, "application/json");
  out.set(bhttp::field::connection, "close");
  if (!request.bearer_token.empty())
    out.set(bhttp::field::authorization, "Bearer " + request.bearer_token);
  if (!request.idempotency_key.empty()) out.set("Idempotency-Key", request.idempotency_key);
  if (!request.content_type.empty()) {
    out.set(bhttp::field::content_type, request.content_type);
    const std::string_view text = as_text(request.body);
    out.body() = {text.data(), text.size()};
  }
  out.prepare_payload();
  return out;
}

}  // namespace

Result<Client> Client::make(const std::string& url, ClientOptions options) {
  const auto parsed = boost::urls::parse_uri(url);
  const bool http = parsed && parsed->scheme() == "http";
  const bool https = parsed && parsed->scheme() == "https";
  if ((!http && !https) || parsed->host().empty() || parsed->has_userinfo() ||
      parsed->has_query() || parsed->has_fragment() ||
      (parsed->encoded_path() != "" && parsed->encoded_path() != "/"))
    return fail(Errc::invalid_argument,
                "not the address of a server: " + url + "; write http://HOST:PORT or https://HOST");
  Client client;
  client.url_ = url;
  client.host_ = parsed->host_address();
  client.tls_ = https;
  client.port_ = parsed->has_port() ? std::string(parsed->port()) : https ? "443" : "80";
  client.options_ = std::move(options);
  return client;
}

Result<ClientAnswer> Client::send(const ClientRequest& request) const {
  if (!request.bearer_token.empty() && !tls_ && !is_loopback(host_))
    return fail(Errc::forbidden,
                "a token would travel in clear to " + url_ + "; use https:// beyond this machine");
  const bool is_ipv6 = host_.find(':') != std::string::npos;
  WireRequest wire =
      make_wire_request(request, (is_ipv6 ? "[" + host_ + "]" : host_) + ":" + port_);
  const Job job{options_, url_, host_, port_, wire, request.answer_bytes_max};

  asio::io_context io(1);
  Result<ClientAnswer> answer = fail(Errc::internal, "the request to " + url_ + " did not end");
  asio::co_spawn(io, tls_ ? send_tls(job) : send_plain(job),
                 [&answer](std::exception_ptr failure, Result<ClientAnswer> result) {
                   if (!failure) answer = std::move(result);
                 });
  io.run();
  return answer;
}

}  // namespace mpyd::server::http
