// Requests on the device listener: Beast's parser with the daemon's limits, our reading of the
// head, routing, and the handler.
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "server/http/request_head.hpp"
#include "server/http/request_limits.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/server.hpp"

using namespace mpyd;
namespace http = mpyd::server::http;

namespace {

struct Exchange {
  std::string method;
  std::string path;
  std::string body;
  unsigned status = 0;
  friend bool operator==(const Exchange&, const Exchange&) = default;
};

http::Response answer(const http::Application& application, http::Request& request) {
  http::Plan plan = application.plan(request.head);
  if (plan.refusal) return *std::move(plan.refusal);
  request.params = std::move(plan.params);
  auto response = plan.run(request);
  return response ? *std::move(response) : http::Response{.status = 500};
}

// The requests of one connection, which brings its bytes in pieces of `step`.
std::vector<Exchange> converse(const http::Application& application, std::string_view bytes,
                               std::size_t step) {
  std::vector<Exchange> out;
  std::string buffer;
  while (!bytes.empty() || !buffer.empty()) {
    boost::beast::http::request_parser<boost::beast::http::string_body> parser;
    parser.header_limit(http::kHeaderBytesMax);
    parser.body_limit(kSyncBytesMax);
    parser.eager(true);
    while (!parser.is_done()) {
      boost::system::error_code ec;
      const std::size_t used =
          parser.put(boost::asio::const_buffer(buffer.data(), buffer.size()), ec);
      buffer.erase(0, used);
      if (ec && ec != boost::beast::http::error::need_more) return out;
      if (parser.is_done()) break;
      if (bytes.empty()) return out;
      FUZZ_CHECK(buffer.size() <= http::kBufferBytesMax);
      buffer += bytes.substr(0, step);
      bytes.remove_prefix(std::min(step, bytes.size()));
    }
    http::Request request;
    if (!http::read_head(parser.get(), request.head)) return out;
    request.body = std::move(parser.get().body());
    Exchange exchange{request.head.method, request.head.path, request.body, 0};
    exchange.status = answer(application, request).status;
    out.push_back(std::move(exchange));
    if (!parser.keep_alive()) return out;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::Applications applications;
  fuzz::Input input(data, size);
  const std::size_t step = 1 + input.byte();
  const std::string_view bytes = as_text(input.rest());
  // However the network cuts them, the same requests are seen: nothing is smuggled in between.
  FUZZ_CHECK(converse(*applications.device, bytes, step) ==
             converse(*applications.device, bytes, http::kHeaderBytesMax));
  return 0;
}
