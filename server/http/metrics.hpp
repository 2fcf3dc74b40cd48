// What is counted while the server runs, for GET /metrics. Labels come from closed sets only: rows
// of the route table, status codes, names of errors. Nothing a client or a device says becomes one.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/errc.hpp"
#include "protocol/sync/box.hpp"
#include "server/http/exposition.hpp"

namespace mpyd::server::http {

// The answers to one method and route of a listener. Threads: any; nothing waits.
class RouteMetrics {
 public:
  // All three are literals, or outlive this.
  RouteMetrics(std::string_view listener, std::string_view method, std::string_view route)
      : listener_(listener), method_(method), route_(route) {}

  void add(unsigned status, std::chrono::nanoseconds taken);

  bool is_used() const;
  std::string_view method() const { return method_; }
  std::string_view route() const { return route_; }
  void write_requests(Exposition& out) const;
  void write_durations(Exposition& out) const;

 private:
  // Upper bounds in microseconds; a sync takes some hundred of them, publishing seconds.
  static constexpr std::array<std::uint64_t, 10> kBounds_us = {
      250, 1'000, 2'500, 10'000, 25'000, 100'000, 250'000, 1'000'000, 2'500'000, 10'000'000};
  // What http/ answers with; the last place counts all others.
  static constexpr std::array<unsigned, 21> kStatuses = {200, 201, 204, 206, 304, 400, 401,
                                                         403, 404, 405, 409, 412, 413, 415,
                                                         416, 422, 429, 431, 500, 501, 503};

  std::string labels() const;

  std::string_view listener_;
  std::string_view method_;
  std::string_view route_;
  std::array<std::atomic<std::uint64_t>, kStatuses.size() + 1> statuses_{};
  std::array<std::atomic<std::uint64_t>, kBounds_us.size() + 1> durations_{};
  std::atomic<std::uint64_t> taken_us_ = 0;
};

// Of the whole process. Routes are added before the first request; the rest by any thread.
class Metrics {
 public:
  Metrics();

  RouteMetrics& add_route(std::string_view listener, std::string_view method,
                          std::string_view route);
  void add_problem(Errc code);
  // An answer that a device got, or why it got none.
  void add_sync(sync::Status status);
  void add_failed_sync();

  void write(Exposition& out) const;

 private:
  std::uint64_t started_unix_s_;
  std::deque<RouteMetrics> routes_;                    // addresses stay
  std::vector<std::atomic<std::uint64_t>> problems_;   // by row of problem_kinds()
  std::array<std::atomic<std::uint64_t>, 6> syncs_{};  // by sync::Status
  std::atomic<std::uint64_t> failed_syncs_ = 0;
};

}  // namespace mpyd::server::http
