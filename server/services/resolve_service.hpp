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
    std::string deprecated;  // why people should take another one; empty: they need not
  };
  std::optional<Chosen> chosen;
  Errc code = Errc::no_driver;  // why none
  std::string message;          // one sentence
  // Of this hardware ID: not to be loaded from anywhere; highest release first.
  std::vector<Digest> withdrawn;
  std::vector<Digest> withdrawn_fitting;  // those of them that this motherboard could run
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

  // The board as this device has it: with the operator's pin, if there is one. From memory.
  Result<Board> with_pin(Board board, std::string_view device_id) const;

  // From memory when the same question was answered since releases or trust last changed.
  Result<std::shared_ptr<const Resolution>> resolve(const Board& board);
  Result<Explanation> explain(const Board& board) const;
  // May this board carry this package on its EEPROM, so that this motherboard loads it from there?
  // The rules are those of choosing, and the policy entry's on packages on EEPROMs. `chosen` is the
  // package, or empty with code and message.
  Result<std::shared_ptr<const Resolution>> resolve_storing(const Board& board,
                                                            const Digest& package);

  // Whoever changed releases or pins says so, after the commit.
  void releases_changed();

 private:
  using Decide = std::function<Result<Resolution>(const TrustView& view)>;
  Result<std::shared_ptr<const Resolution>> answer(const std::string& question,
                                                   const Decide& decide);

  Store& store_;
  const TrustService& trust_;
  // By device and hardware ID, a blank between them. Operators make pins one by one, so all of them
  // fit into memory.
  using Pins = std::unordered_map<std::string, std::uint32_t>;
  Result<std::shared_ptr<const Pins>> pins() const;

  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Pins> pins_;       // null: to be read
  std::uint64_t generation_ = 0;                   // rises with every change of releases and pins
  std::shared_ptr<const TrustView> answers_view_;  // the answers are for this trust
  std::unordered_map<std::string, std::shared_ptr<const Resolution>> answers_;
};

}  // namespace mpyd::server
