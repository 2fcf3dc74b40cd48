#include "server/http/metrics.hpp"

#include <fmt/format.h>
#include <algorithm>

#include "server/http/problem.hpp"
#include "server/util/build_version.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server::http {
namespace {

constexpr auto kCounting = std::memory_order_relaxed;  // numbers only; they order nothing

std::string_view sync_word(std::size_t status) {
  switch (static_cast<sync::Status>(status)) {
    case sync::Status::ok:
      return "ok";
    case sync::Status::counter:
      return "counter";
    case sync::Status::unknown_device:
      return "unknown_device";
    case sync::Status::revoked:
      return "revoked";
    case sync::Status::refused:
      return "refused";
    case sync::Status::not_approved:
      return "not_approved";
  }
  return "refused";
}

}  // namespace

void RouteMetrics::add(unsigned status, std::chrono::nanoseconds taken) {
  const auto at = std::ranges::find(kStatuses, status) - kStatuses.begin();
  statuses_[static_cast<std::size_t>(at)].fetch_add(1, kCounting);
  const auto us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(taken).count());
  const auto bound = std::ranges::lower_bound(kBounds_us, us) - kBounds_us.begin();
  durations_[static_cast<std::size_t>(bound)].fetch_add(1, kCounting);
  taken_us_.fetch_add(us, kCounting);
}

bool RouteMetrics::is_used() const {
  return std::ranges::any_of(durations_, [](const auto& count) { return count.load() != 0; });
}

std::string RouteMetrics::labels() const {
  return label("listener", listener_) + "," + label("method", method_) + "," +
         label("route", route_);
}

void RouteMetrics::write_requests(Exposition& out) const {
  for (std::size_t i = 0; i < statuses_.size(); ++i) {
    const std::uint64_t count = statuses_[i].load(kCounting);
    if (count == 0) continue;
    const std::string status = i < kStatuses.size() ? std::to_string(kStatuses[i]) : "other";
    out.sample(labels() + "," + label("status", status), count);
  }
}

void RouteMetrics::write_durations(Exposition& out) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < durations_.size(); ++i) {
    count += durations_[i].load(kCounting);
    const std::string bound = i < kBounds_us.size()
                                  ? fmt::format("{}", static_cast<double>(kBounds_us[i]) / 1e6)
                                  : "+Inf";
    out.sample("_bucket", labels() + "," + label("le", bound), count);
  }
  out.sample_seconds("_sum", labels(), static_cast<double>(taken_us_.load(kCounting)) / 1e6);
  out.sample("_count", labels(), count);
}

Metrics::Metrics()
    : started_unix_s_(SystemClock().now_unix_s()), problems_(problem_kinds().size()) {}

RouteMetrics& Metrics::add_route(std::string_view listener, std::string_view method,
                                 std::string_view route) {
  return routes_.emplace_back(listener, method, route);
}

void Metrics::add_problem(Errc code) {
  const auto row = &problem_kind(code) - problem_kinds().data();
  problems_[static_cast<std::size_t>(row)].fetch_add(1, kCounting);
}

void Metrics::add_sync(sync::Status status) {
  const auto at = static_cast<std::size_t>(status);
  if (at < syncs_.size()) syncs_[at].fetch_add(1, kCounting);
}

void Metrics::add_failed_sync() { failed_syncs_.fetch_add(1, kCounting); }

void Metrics::write(Exposition& out) const {
  out.family("mpyd_build_info", "gauge", "Always 1; the version is its label.");
  out.sample(label("version", build_version()), 1);
  out.family("process_start_time_seconds", "gauge", "When the daemon started, since 1970.");
  out.sample({}, started_unix_s_);
  out.family("mpyd_http_requests_total", "counter",
             "Answers by listener, method, route and status.");
  for (const RouteMetrics& route : routes_) route.write_requests(out);
  out.family("mpyd_http_request_duration_seconds", "histogram",
             "From a request's first byte to its answer's last.");
  for (const RouteMetrics& route : routes_)
    if (route.is_used()) route.write_durations(out);
  out.family("mpyd_http_problems_total", "counter", "Refused requests by the problem's code.");
  for (std::size_t i = 0; i < problems_.size(); ++i)
    out.sample(label("code", name(problem_kinds()[i].code)), problems_[i].load(kCounting));
  out.family("mpyd_syncs_total", "counter",
             "Syncs of devices by the answer's status; failed: there was nobody to seal one to.");
  for (std::size_t i = 0; i < syncs_.size(); ++i)
    out.sample(label("status", sync_word(i)), syncs_[i].load(kCounting));
  out.sample(label("status", "failed"), failed_syncs_.load(kCounting));
}

}  // namespace mpyd::server::http
