#include "server/util/log.hpp"

#include <array>
#include <boost/json.hpp>

#include "tests/support/catch.hpp"

namespace mpyd::server {

namespace {

const std::array<LogField, 3> kFields = {LogField{"route", std::string_view("/v1/admin/status")},
                                         LogField{"status", std::uint64_t{200}},
                                         LogField{"duration_ms", 1.25}};

}  // namespace

TEST_CASE("a line of text is read by people and cut at blanks by programs") {
  CHECK(format_log_text({.time = "T", .message = "request", .fields = kFields}) ==
        "T info request route=/v1/admin/status status=200 duration_ms=1.2");
  const std::array<LogField, 2> odd = {LogField{"actor", std::string_view("a \"b\"")},
                                       LogField{"code", std::string_view()}};
  CHECK(format_log_text({.message = "x", .fields = odd}) == "x actor=\"a \\\"b\\\"\" code=\"\"");
}

TEST_CASE("nobody's text starts a new line") {
  const std::array<LogField, 1> field = {LogField{"name", std::string_view("a\nb")}};
  const LogLine line{.message = "first\r\nsecond", .fields = field};
  CHECK(format_log_text(line) == "first\\x0d\\x0asecond name=a\\x0ab");
  CHECK(format_log_json(line).find('\n') == std::string::npos);
}

TEST_CASE("nobody's text steers the terminal that shows the log") {
  const std::array<LogField, 2> fields = {LogField{"a", std::string_view("x\xc2\x9by")},
                                          LogField{"b", std::string_view("\"\xe2\x80\xae\xff ö")}};
  const LogLine line{.message = "say \xc2\x85", .fields = fields};
  CHECK(format_log_text(line) == "say \\xc2\\x85 a=x\\xc2\\x9by b=\"\\\"\\xe2\\x80\\xae\\xff ö\"");
  const std::string json = format_log_json(line);
  CHECK(json.find("\\u0085") != std::string::npos);
  CHECK(boost::json::parse(json).at("b") == "\"\u202e\ufffd ö");
}

TEST_CASE("a line of JSON is one object with the fields beside the sentence") {
  const auto line = boost::json::parse(format_log_json(
      {.time = "T", .level = spdlog::level::warn, .message = "say \"x\"", .fields = kFields}));
  CHECK(line.at("time") == "T");
  CHECK(line.at("level") == "warning");
  CHECK(line.at("message") == "say \"x\"");
  CHECK(line.at("status") == 200);
  CHECK(line.at("route") == "/v1/admin/status");
  CHECK(line.at("duration_ms").as_double() < 2);
}

}  // namespace mpyd::server
