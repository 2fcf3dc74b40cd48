// Which package a board gets, and why every other one is not it. Pure: no storage, no clock.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/domain/release.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

// What trust says of a package (policy entry, signatures, floor, pins ...). Asked only of packages
// that fit otherwise and are not older than the one chosen, because it may cost signatures.
using TrustCheck = std::function<Result<void>(const Release&, const Variant&)>;

struct Candidate {
  const Release* release = nullptr;  // into the releases given to choose()
  const Variant* variant = nullptr;
};

struct Rejection {
  Candidate candidate;
  Errc code = Errc::no_driver;
  std::string reason;  // one plain sentence without a full stop
};

struct Choice {
  std::optional<Candidate> chosen;
  Errc code = Errc::no_driver;  // why none; meaningless when one was chosen
  std::string message;          // one sentence: why this one, or why none
  std::vector<Rejection> rejected;
};

struct Board {
  HardwareId hardware_id;
  std::uint32_t revision = 0;
  Abi device;  // of the motherboard it is plugged into
  // The only release that this motherboard gets; 0: any.
  std::uint32_t pinned_release = 0;
};

// The highest release, or the one pinned, that has an acceptable variant; of its acceptable
// variants the most specific, bytecode last. `releases` are of the board's hardware ID, in any
// order, and outlive the answer.
Choice choose(std::span<const Release> releases, const Board& board, const TrustCheck& trust);

}  // namespace mpyd::server
