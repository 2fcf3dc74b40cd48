// Which package a board gets: releases, policy and ABI brought together.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/domain/choose.hpp"
#include "server/services/trust_service.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

// The answer for one board.
struct Resolution {
  struct Chosen {
    DriverName driver_name;
    VersionText version;
    std::uint32_t release = 0;
    Variant variant;
  };
  std::optional<Chosen> chosen;
  Errc code = Errc::no_driver;    // why none
  std::string message;            // one sentence
  std::vector<Digest> withdrawn;  // of this hardware ID: not to be loaded from anywhere
};

// The same with every candidate's reason, for people.
struct Explanation {
  Resolution resolution;
  struct Rejected {
    VersionText version;
    std::uint32_t release = 0;
    AbiText abi;
    Digest digest;
    std::string reason;
  };
  std::vector<Rejected> rejected;
};

class ResolveService {
 public:
  ResolveService(Store& store, const TrustService& trust) : store_(store), trust_(trust) {}

  // From memory when the same question was answered since releases or trust last changed.
  Result<std::shared_ptr<const Resolution>> resolve(const Board& board);
  Result<Explanation> explain(const Board& board) const;
  // May this board carry this package on its EEPROM, so that this motherboard loads it from there?
  // The rules are those of choosing, and the policy entry's on packages on EEPROMs. `chosen` is the
  // package, or empty with code and message.
  Result<std::shared_ptr<const Resolution>> resolve_storing(const Board& board,
                                                            const Digest& package);

  // Whoever changed releases says so, after the commit.
  void releases_changed();

 private:
  using Decide = std::function<Result<Resolution>(const TrustView& view)>;
  Result<std::shared_ptr<const Resolution>> answer(const std::string& question,
                                                   const Decide& decide);

  Store& store_;
  const TrustService& trust_;
  std::mutex mutex_;
  std::uint64_t generation_ = 0;                   // rises with every change of releases
  std::shared_ptr<const TrustView> answers_view_;  // the answers are for this trust
  std::unordered_map<std::string, std::shared_ptr<const Resolution>> answers_;
};

}  // namespace mpyd::server
