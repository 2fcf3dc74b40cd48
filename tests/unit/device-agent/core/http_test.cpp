#include "device-agent/core/http.hpp"

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::HttpResponse;

TEST_CASE("requests are a GET without a body and a POST with one") {
  CHECK(agent::format_http_request("/a", "h", 0).value().view() ==
        "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(agent::format_http_request("/v1/device/sync", "server", 1234).value().view() ==
        "POST /v1/device/sync HTTP/1.1\r\nHost: server\r\nConnection: close\r\n"
        "Content-Type: application/vnd.mpyd.sync\r\nContent-Length: 1234\r\n\r\n");
  CHECK(agent::format_http_request(std::string(400, 'a'), "h", 0).error() == Errc::limit);
}

TEST_CASE("an answer may arrive in pieces of any size") {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH:  11 \r\nX: y\r\n\r\nhello world";
  for (std::size_t piece = 1; piece <= answer.size(); ++piece) {
    HttpResponse response(100);
    std::string body;
    for (std::size_t at = 0; at < answer.size(); at += piece) {
      REQUIRE_FALSE(response.complete());
      body += as_text(response.feed(as_bytes(std::string_view(answer).substr(at, piece))).value());
    }
    CHECK(response.complete());
    CHECK(response.status() == 200);
    CHECK(body == "hello world");
  }
}

TEST_CASE("answers that are not what the agent speaks are refused") {
  struct Case {
    const char* text;
    Errc error;
  };
  const auto c = GENERATE(
      Case{"SSH-2.0-OpenSSH_9\r\n", Errc::malformed}, Case{"\r\n", Errc::malformed},
      Case{"HTTP/1.1 xyz Bad\r\n", Errc::malformed}, Case{"HTTP/2 200\r\n", Errc::malformed},
      Case{"HTTP/1.1 100 Continue\r\n\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\n\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\nContent-Length:\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", Errc::limit},
      Case{"HTTP/1.1 200 OK\r\nContent-Length: 4294967297\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Errc::malformed},
      Case{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", Errc::malformed});
  HttpResponse response(100);
  const auto fed = response.feed(as_bytes(c.text));
  REQUIRE_FALSE(fed);
  CHECK(fed.error() == c.error);
}

TEST_CASE("a head is bounded however it is cut") {
  HttpResponse response(100);
  REQUIRE(response.feed(as_bytes("HTTP/1.1 200 OK\r\n")));
  std::size_t taken = 0;
  while (response.feed(as_bytes("X-Endless: header\r\n"))) REQUIRE(++taken < 1000);
  CHECK(taken < 300);
}

TEST_CASE("a header that is longer than a line is skipped, not cut into another") {
  HttpResponse response(100);
  const std::string text = "HTTP/1.1 200 OK\r\nX: " + std::string(126, ' ') +
                           "Content-Length: 9\r\nContent-Length: 2\r\n\r\nhi";
  CHECK(as_text(response.feed(as_bytes(text)).value()) == "hi");
  CHECK(response.complete());
}

TEST_CASE("an answer without content is complete with its head") {
  HttpResponse response(100);
  REQUIRE(response.feed(as_bytes("HTTP/1.0 204 No Content\r\nContent-Length: 0\r\n\r\n")));
  CHECK(response.complete());
  CHECK(response.status() == 204);
}

}  // namespace
}  // namespace mpyd::test
