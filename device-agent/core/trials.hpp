// The journal of drivers on trial: which package was in the loader, or too young to be trusted with
// the motherboard, when it went down. A package that was on trial at kResetsMax unclean resets in a
// row is quarantined.
#pragma once

#include "device-agent/core/ports.hpp"

namespace mpyd::agent {

class Trials {
 public:
  static constexpr unsigned kResetsMax = 3;
  static constexpr unsigned kTrialsMax = 16;

  explicit Trials(Store& store) : store_(&store) {}

  // Once after a reset: whatever was on trial when it came has one more to answer for. Another
  // firmware starts anew. Errors: io, memory, unsupported (a newer journal).
  Result<void> start(std::string_view firmware);

  // Unclean resets in a row while this package was on trial; 0: none, or not known.
  unsigned resets(const Digest& digest) const;
  bool is_quarantined(const Digest& digest) const { return resets(digest) >= kResetsMax; }
  bool is_any_running() const;
  // May one more trial begin? The journal is bounded; running trials are never forgotten.
  bool has_room(const Digest& digest) const;

  // Before the loader is entered or attach() called: kept before anything can happen.
  // Errors: io (then the driver must not run), limit (see has_room()).
  Result<void> enter(const Digest& digest);
  // attach() returned: from here the trial lasts trial_ms.
  void settle(const Digest& digest, std::uint32_t now_ms);
  // Refused cleanly, pulled, stopped, or forgiven by the operator. Losing the write costs at most
  // one reset too many.
  void leave(const Digest& digest);
  // Those that lived long enough.
  void end_those_over(std::uint32_t now_ms, std::uint32_t trial_ms);

 private:
  struct Trial {
    Digest digest;
    std::uint8_t resets = 0;
    bool is_running = false;
    bool is_settled = false;  // and runs since settled_ms
    std::uint32_t settled_ms = 0;
  };

  const Trial* find(const Digest& digest) const;
  Trial* find(const Digest& digest);
  const Trial* least() const;
  void erase(const Trial* trial);
  Result<void> load();
  Result<void> save();

  Store* store_;
  Digest firmware_;
  std::array<Trial, kTrialsMax> trials_{};
  unsigned count_ = 0;
};

}  // namespace mpyd::agent
