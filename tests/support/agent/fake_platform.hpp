// The small ports: time that a test moves, repeatable entropy, and a listener that remembers.
#pragma once

#include <string>
#include <vector>

#include "device-agent/core/ports.hpp"
#include "tests/support/bytes.hpp"

namespace mpyd::test {

class FakeClock final : public agent::Clock {
 public:
  std::uint32_t ms = 1000;
  std::uint64_t unix_seconds = 0;  // not set, as on most motherboards
  std::size_t watchdog_feeds = 0;

  std::uint32_t now_ms() override { return ms; }
  std::uint64_t unix_s() override { return unix_seconds; }
  void feed_watchdog() override { ++watchdog_feeds; }
};

class FakeEntropy final : public agent::Entropy {
 public:
  bool is_good = true;
  Result<void> fill(MutableBytes out) override {
    if (!is_good) return fail_with_io();
    copy_bytes(random_.bytes(out.size()), out);
    return {};
  }

 private:
  static Result<void> fail_with_io() { return mpyd::fail(Errc::io); }
  Random random_{4711};
};

class EventRecorder final : public agent::Listener {
 public:
  struct Seen {
    agent::EventKind kind;
    unsigned slot;
    Errc error;
    std::string detail;
    std::uint32_t duration_ms;
  };
  std::vector<Seen> seen;

  void on_event(const agent::Event& event) override {
    seen.push_back(
        {event.kind, event.slot, event.error, std::string(event.detail), event.duration_ms});
  }
  std::size_t count(agent::EventKind kind) const {
    std::size_t n = 0;
    for (const Seen& event : seen) n += event.kind == kind;
    return n;
  }
  // The last of its kind; null if none.
  const Seen* last(agent::EventKind kind) const {
    for (std::size_t i = seen.size(); i-- > 0;)
      if (seen[i].kind == kind) return &seen[i];
    return nullptr;
  }
};

}  // namespace mpyd::test
