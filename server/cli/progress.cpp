#include "server/cli/progress.hpp"

namespace mpyd::server::cli {

void Progress::update(std::uint64_t done, std::uint64_t total) {
  const auto now = std::chrono::steady_clock::now();
  if (now - said_ < std::chrono::seconds(1)) return;
  said_ = now;
  out_.say(doing_ + ": " + std::to_string(done) +
           (total == 0 ? std::string() : " of " + std::to_string(total)) + " " + unit_);
}

}  // namespace mpyd::server::cli
