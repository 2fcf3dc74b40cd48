#include "server/http/session.hpp"

#include <spdlog/spdlog.h>
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream_base.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <ctime>

#include "server/http/body_deadline.hpp"
#include "server/http/metrics.hpp"
#include "server/http/problem.hpp"
#include "server/http/request_head.hpp"
#include "server/http/request_limits.hpp"
#include "server/util/log.hpp"

namespace mpyd::server::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr std::size_t kFirstReadBytes = 1024;
constexpr seconds kIdleTimeout{60};
constexpr seconds kHeaderTimeout{10};
constexpr seconds kCloseTimeout{2};
// An answer goes out in slices; each may take this long.
constexpr seconds kSliceTimeout{15};
constexpr std::size_t kSliceBytes = 65536;
constexpr std::size_t kLingerBytesMax = 262144;
// Slow requests at once, waiting ones included; more are told to come back.
constexpr unsigned kSlowMax = 32;

using Parser = bhttp::request_parser<bhttp::string_body>;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

auto into(error_code& ec) { return asio::redirect_error(asio::use_awaitable, ec); }

// RFC 9110, section 5.6.7.
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 40> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

bool has_no_body(unsigned status) { return status == 204 || status == 304; }

std::string format_response_head(const Response& response, const RequestHead& head,
                                 bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " " +
                    std::string(reason_phrase(response.status)) + "\r\nDate: " + http_date() +
                    "\r\n";
  const auto add = [&](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  if (!response.content_type.empty() && !has_no_body(response.status))
    add("Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) add(name, value);
  if (!has_no_body(response.status))
    add("Content-Length", std::to_string(response.content_length.value_or(response.body.size())));
  add("X-Request-Id", head.request_id);
  add("X-Content-Type-Options", "nosniff");
  add("Connection", keep_alive ? "keep-alive" : "close");
  out += "\r\n";
  return out;
}

// Too much for all of us together; what is too much for one token is a 429.
Response overloaded(const RequestHead& head) {
  return problem_response(503, Errc::too_many_requests, {}, head);
}
Response too_much_at_once(const ByteLease& held, const RequestHead& head) {
  if (!held.is_share_exhausted()) return overloaded(head);
  return problem_response(429, Errc::too_many_requests,
                          "the token's requests at work hold as many bytes as those of one token "
                          "may; send large ones one after the other",
                          head);
}

// What went wrong while a request came in; no answer if nobody waits for one, or if the request
// came too slowly: then the stream has closed its socket.
std::optional<Response> answer_to(const error_code& ec, const RequestHead& head) {
  if (ec == bhttp::error::header_limit || ec == bhttp::error::buffer_overflow)
    return problem_response(431, Errc::limit, "the request's header is too large", head);
  if (ec == bhttp::error::body_limit)
    return problem_response(413, Errc::limit, "the body is larger than this takes", head);
  if (ec == bhttp::error::end_of_stream || ec == bhttp::error::partial_message) return std::nullopt;
  if (ec.category() == make_error_code(bhttp::error::bad_method).category())
    return problem_response(400, Errc::malformed, "not HTTP: " + ec.message(), head);
  return std::nullopt;
}

Response run_handler(const Plan& plan, Request& request) {
  try {
    auto response = plan.run(request);
    if (response) return *std::move(response);
    if (problem_kind(response.error().code).status >= 500)
      spdlog::error("request {} failed: {}", request.head.request_id, response.error().message);
    return problem_response(response.error(), request.head);
  } catch (const std::exception& e) {
    spdlog::error("request {} failed: {}", request.head.request_id, e.what());
    return problem_response(Error(Errc::internal), request.head);
  }
}

asio::awaitable<void> handshake(beast::tcp_stream&) { co_return; }
asio::awaitable<void> handshake(TlsStream& stream) {
  beast::get_lowest_layer(stream).expires_after(kHeaderTimeout);
  co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
}

asio::awaitable<void> shut_down(beast::tcp_stream& stream) {
  error_code ignored;
  stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  co_return;
}
asio::awaitable<void> shut_down(TlsStream& stream) {
  error_code ignored;
  co_await stream.async_shutdown(into(ignored));
}

template <class Stream>
class Conversation final : public Session {
 public:
  Conversation(Stream stream, const Application& application, Crowd& crowd, SessionShared& shared)
      : stream_(std::move(stream)),
        application_(application),
        crowd_(crowd),
        shared_(shared),
        waiting_(crowd.waiting) {
    shared_.sessions.insert(this);
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation() { shared_.sessions.erase(this); }

  asio::awaitable<void> run() {
    error_code ec;
    peer_ = socket().remote_endpoint(ec).address().to_string();
    waiting_.enter(*this);
    co_await handshake(stream_);
    while (co_await exchange()) {
    }
    waiting_.enter(*this);
    tcp().expires_after(kCloseTimeout);
    co_await shut_down(stream_);
    co_await linger();
  }

  void close_if_idle() override {
    error_code ignored;
    if (idle_) socket().shutdown(Socket::shutdown_both, ignored);
  }

  void evict() override {
    waiting_.leave();
    tcp().close();
  }

 private:
  beast::tcp_stream& tcp() { return beast::get_lowest_layer(stream_); }
  Socket& socket() { return tcp().socket(); }

  // One request and its answer. False: the connection is at its end.
  asio::awaitable<bool> exchange() {
    waiting_.enter(*this);
    metrics_ = application_.unplanned();
    is_routine_ = true;
    if (!co_await wait_for_request()) co_return false;
    started_ = Clock::now();
    Parser parser;
    parser.header_limit(kHeaderBytesMax);
    // The body's bound is the route's, known after the header.
    parser.body_limit(boost::none);
    Request request;
    error_code ec;
    tcp().expires_after(kHeaderTimeout);
    co_await bhttp::async_read_header(stream_, buffer_, parser, into(ec));
    const auto readable = read_head(parser.get(), request.head);
    if (ec) co_return co_await give_up(ec, request.head);
    if (!readable)
      co_return co_await send(problem_response(readable.error(), request.head), request, false);

    Plan plan = application_.plan(request.head);
    metrics_ = plan.metrics;
    is_routine_ = plan.is_routine;
    request.actor = plan.actor;
    if (!plan.refusal) plan.refusal = refuse_size(parser, plan, request.head);
    if (plan.refusal) {
      const bool reusable = parser.is_done() && parser.keep_alive();
      co_return co_await send(*std::move(plan.refusal), request, reusable);
    }
    parser.body_limit(plan.body_bytes_max);
    ByteLease held(crowd_.bytes, plan.actor);
    co_await read_body(parser, held, ec);
    if (ec == asio::error::no_buffer_space)
      co_return co_await send(too_much_at_once(held, request.head), request, false);
    if (ec) co_return co_await give_up(ec, request.head);
    waiting_.leave();
    bool keep_alive = parser.keep_alive();
    request.body = std::move(parser.get().body());
    request.params = std::move(plan.params);
    Response response = co_await run(plan, request);
    std::string().swap(request.body);
    if (!held.resize(response.body.size())) {
      response = too_much_at_once(held, request.head);
      keep_alive = false;
    }
    co_return co_await send(std::move(response), request, keep_alive);
  }

  // Until the first bytes of the next request; an idle connection holds a small buffer only.
  asio::awaitable<bool> wait_for_request() {
    if (buffer_.size() > 0) co_return true;
    if (shared_.draining) co_return false;
    buffer_.shrink_to_fit();
    error_code ec;
    idle_ = true;
    tcp().expires_after(kIdleTimeout);
    const std::size_t got =
        co_await stream_.async_read_some(buffer_.prepare(kFirstReadBytes), into(ec));
    idle_ = false;
    buffer_.commit(got);
    co_return !ec;
  }

  std::optional<Response> refuse_size(const Parser& parser, const Plan& plan,
                                      const RequestHead& head) const {
    const auto announced = parser.content_length();
    if (!announced || *announced <= plan.body_bytes_max) return std::nullopt;
    return problem_response(
        413, Errc::limit,
        "the body is larger than the " + std::to_string(plan.body_bytes_max) + " bytes this takes",
        head);
  }

  // no_buffer_space: the listener's connections, or the token's, hold as many bytes as they may.
  asio::awaitable<void> read_body(Parser& parser, ByteLease& held, error_code& ec) {
    if (!parser.is_done() && beast::iequals(parser.get()[bhttp::field::expect], "100-continue")) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      tcp().expires_after(kSliceTimeout);
      co_await asio::async_write(stream_, asio::buffer(kContinue), into(ec));
    }
    BodyDeadline deadline(Clock::now());
    parser.eager(true);
    while (!ec && !parser.is_done()) {
      const std::size_t got = parser.get().body().size();
      if (!held.resize(got + kBufferBytesMax)) {
        // Given back before the answer goes out, or all that are at it now would be refused.
        std::string().swap(parser.get().body());
        held.resize(0);
        ec = asio::error::no_buffer_space;
        co_return;
      }
      tcp().expires_at(deadline.after(got, Clock::now()));
      co_await bhttp::async_read_some(stream_, buffer_, parser, into(ec));
    }
  }

  asio::awaitable<Response> run(const Plan& plan, Request& request) {
    tcp().expires_never();
    if (plan.cost == Cost::inline_) co_return run_handler(plan, request);
    if (shared_.slow_running >= kSlowMax) co_return overloaded(request.head);
    ++shared_.slow_running;
    // Resumes on this session's executor when the pool is done with it.
    Response response = co_await asio::co_spawn(
        shared_.pool, [&]() -> asio::awaitable<Response> { co_return run_handler(plan, request); },
        asio::use_awaitable);
    --shared_.slow_running;
    co_return response;
  }

  // Tells the client what was wrong with its request, if it still listens.
  asio::awaitable<bool> give_up(const error_code& ec, const RequestHead& head) {
    auto response = answer_to(ec, head);
    if (!response) co_return false;
    const Request request{.head = head};
    co_return co_await send(*std::move(response), request, false);
  }

  asio::awaitable<bool> send(Response response, const Request& request, bool keep_alive) {
    keep_alive = keep_alive && !shared_.draining;
    if (request.head.method == "HEAD") {
      if (!response.content_length) response.content_length = response.body.size();
      response.body.clear();
    }
    const std::string head = format_response_head(response, request.head, keep_alive);
    Bytes rest = response.body;
    Bytes slice = take_slice(rest);
    const std::array<asio::const_buffer, 2> first = {
        asio::buffer(head), asio::const_buffer(slice.data(), slice.size())};
    error_code ec;
    waiting_.enter(*this);
    tcp().expires_after(kSliceTimeout);
    co_await asio::async_write(stream_, first, into(ec));
    while (!ec && !rest.empty()) {
      slice = take_slice(rest);
      tcp().expires_after(kSliceTimeout);
      co_await asio::async_write(stream_, asio::const_buffer(slice.data(), slice.size()), into(ec));
    }
    waiting_.leave();
    tell(response, request);
    co_return !ec && keep_alive;
  }

  static Bytes take_slice(Bytes& rest) {
    const Bytes slice = rest.first(std::min(rest.size(), kSliceBytes));
    rest = rest.subspan(slice.size());
    return slice;
  }

  // Counts the answer and logs it. Of the request only what is of ours stands in the log: the path
  // of a mistyped request may hold a token, and its query anything.
  void tell(const Response& response, const Request& request) const {
    const Clock::duration taken = Clock::now() - started_;
    if (metrics_ != nullptr) metrics_->add(response.status, taken);
    if (response.problem && application_.metrics() != nullptr)
      application_.metrics()->add_problem(*response.problem);
    const auto level = is_routine_ ? spdlog::level::debug : spdlog::level::info;
    if (!spdlog::should_log(level)) return;
    const std::string_view code = response.problem ? name(*response.problem) : "";
    const std::array<LogField, 9> fields = {
        LogField{"request_id", std::string_view(request.head.request_id)},
        LogField{"peer", std::string_view(peer_)},
        LogField{"method", metrics_ != nullptr ? metrics_->method() : "-"},
        LogField{"route", metrics_ != nullptr ? metrics_->route() : "-"},
        LogField{"status", std::uint64_t{response.status}},
        LogField{"duration_ms", std::chrono::duration<double, std::milli>(taken).count()},
        LogField{"bytes", std::uint64_t{response.body.size()}},
        LogField{"actor", std::string_view(request.actor)},
        LogField{"code", code}};
    // Most have no problem, and many nobody by name.
    std::size_t count = fields.size();
    if (code.empty()) --count;
    if (code.empty() && request.actor.empty()) --count;
    log_line(level, "request", std::span(fields).first(count));
  }

  // Reads what the client still sends, a little: closing at once would reset the connection and
  // could take the answer away from the client.
  asio::awaitable<void> linger() {
    error_code ec;
    std::size_t total = 0;
    std::array<std::byte, 4096> rest{};
    while (!ec && total < kLingerBytesMax)
      total += co_await tcp().async_read_some(asio::buffer(rest), into(ec));
  }

  Stream stream_;
  const Application& application_;
  Crowd& crowd_;
  SessionShared& shared_;
  PlaceInLine waiting_;
  beast::flat_buffer buffer_{kBufferBytesMax};
  std::string peer_;
  Clock::time_point started_;
  RouteMetrics* metrics_ = nullptr;  // of the request at hand
  bool is_routine_ = true;
  bool idle_ = false;
};

}  // namespace

asio::awaitable<void> run_session(Socket socket, const Application& application, Crowd& crowd,
                                  SessionShared& shared) {
  Conversation conversation(beast::tcp_stream(std::move(socket)), application, crowd, shared);
  co_await conversation.run();
}

asio::awaitable<void> run_tls_session(Socket socket, asio::ssl::context& tls,
                                      const Application& application, Crowd& crowd,
                                      SessionShared& shared) {
  Conversation conversation(TlsStream(std::move(socket), tls), application, crowd, shared);
  co_await conversation.run();
}

}  // namespace mpyd::server::http
