#include "server/http/metrics.hpp"

#include <thread>
#include <vector>

#include "tests/support/catch.hpp"

namespace mpyd::server::http {

namespace {

using std::chrono::microseconds;

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

std::string told(const Metrics& metrics) {
  Exposition out;
  metrics.write(out);
  return out.text();
}

}  // namespace

TEST_CASE("answers are counted by route and status, and their durations in growing buckets") {
  Metrics metrics;
  RouteMetrics& route = metrics.add_route("admin", "GET", "/v1/admin/status");
  metrics.add_route("admin", "GET", "/never");
  route.add(200, microseconds(250));
  route.add(200, microseconds(251));
  route.add(299, microseconds(20'000'000));
  const std::string text = told(metrics);
  const std::string labels = R"(listener="admin",method="GET",route="/v1/admin/status")";
  const std::string requests = "mpyd_http_requests_total{" + labels;
  const std::string durations = "mpyd_http_request_duration_seconds";
  CHECK(has_line(text, requests + ",status=\"200\"} 2"));
  CHECK(has_line(text, requests + ",status=\"other\"} 1"));
  CHECK(has_line(text, durations + "_bucket{" + labels + ",le=\"0.00025\"} 1"));
  CHECK(has_line(text, durations + "_bucket{" + labels + ",le=\"0.001\"} 2"));
  CHECK(has_line(text, durations + "_bucket{" + labels + ",le=\"10\"} 2"));
  CHECK(has_line(text, durations + "_bucket{" + labels + ",le=\"+Inf\"} 3"));
  CHECK(has_line(text, durations + "_count{" + labels + "} 3"));
  CHECK(has_line(text, durations + "_sum{" + labels + "} 20.000501"));
  CHECK(text.find("/never") == std::string::npos);
}

TEST_CASE("refusals and syncs are counted by closed sets of names, from the first scrape on") {
  Metrics metrics;
  CHECK(has_line(told(metrics), "mpyd_http_problems_total{code=\"forbidden\"} 0"));
  metrics.add_problem(Errc::forbidden);
  metrics.add_problem(Errc::driver_error);  // never leaves the server as a problem
  metrics.add_sync(sync::Status::ok);
  metrics.add_sync(static_cast<sync::Status>(77));
  metrics.add_failed_sync();
  const std::string text = told(metrics);
  CHECK(has_line(text, "mpyd_http_problems_total{code=\"forbidden\"} 1"));
  CHECK(has_line(text, "mpyd_http_problems_total{code=\"internal\"} 1"));
  CHECK(has_line(text, "mpyd_syncs_total{status=\"ok\"} 1"));
  CHECK(has_line(text, "mpyd_syncs_total{status=\"failed\"} 1"));
}

TEST_CASE("no answer is lost when many threads count") {
  Metrics metrics;
  RouteMetrics& route = metrics.add_route("device", "POST", "/v1/device/sync");
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int n = 0; n < 1000; ++n) route.add(200, microseconds(n));
      });
  }
  CHECK(told(metrics).find("status=\"200\"} 4000\n") != std::string::npos);
}

TEST_CASE("a label's value is escaped") {
  CHECK(label("a", "x\"y\\z\n") == "a=\"x\\\"y\\\\z\\n\"");
}

}  // namespace mpyd::server::http
