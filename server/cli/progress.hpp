// Progress of what takes longer than a second: a line on stderr now and then.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "server/cli/output.hpp"

namespace mpyd::server::cli {

class Progress {
 public:
  // `doing` is what the line begins with; `unit` follows its numbers.
  Progress(const Output& out, std::string doing, std::string unit)
      : out_(out), doing_(std::move(doing)), unit_(std::move(unit)) {}

  // "doing: 12 of 40 unit", at most once a second and never in the first. `total` 0: not known.
  void update(std::uint64_t done, std::uint64_t total);

 private:
  const Output& out_;
  std::string doing_;
  std::string unit_;
  std::chrono::steady_clock::time_point said_ = std::chrono::steady_clock::now();
};

}  // namespace mpyd::server::cli
