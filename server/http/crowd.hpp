// What keeps a listener within its memory, whatever its peers do: places, and bytes held for them.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>

namespace mpyd::server::http {

// One connection, as others see it.
class Session {
 public:
  // Closes the connection if it waits for its next request.
  virtual void close_if_idle() = 0;
  // Closes the connection, whatever it waits for.
  virtual void evict() = 0;

 protected:
  ~Session() = default;
};

// The connections of one listener that wait for their peer, the one that waits longest first.
using WaitingLine = std::list<Session*>;

// A session's place in the line; leaves it when it ends.
class PlaceInLine {
 public:
  explicit PlaceInLine(WaitingLine& line) : line_(line) {}
  PlaceInLine(const PlaceInLine&) = delete;
  PlaceInLine& operator=(const PlaceInLine&) = delete;
  ~PlaceInLine() { leave(); }

  // At the end of the line; whoever stands in it keeps the place.
  void enter(Session& session) {
    if (!in_line_) place_ = line_.insert(line_.end(), &session);
    in_line_ = true;
  }
  void leave() {
    if (in_line_) line_.erase(place_);
    in_line_ = false;
  }

 private:
  WaitingLine& line_;
  WaitingLine::iterator place_;
  bool in_line_ = false;
};

// Bytes of bodies and answers that all connections of a listener hold together.
struct ByteBudget {
  std::size_t max = 0;
  std::size_t used = 0;
  std::map<std::string, std::size_t> by_owner;  // who holds any

  // Of these, what one owner may hold: nobody fills a listener alone, whatever it sends.
  std::size_t share() const { return max / 2; }
};

// One connection's part of it; given back at the end.
class ByteLease {
 public:
  // `owner`: for whom; empty: nobody by name, who has no share of its own.
  explicit ByteLease(ByteBudget& budget, std::string owner = {})
      : budget_(budget), owner_(std::move(owner)) {}
  ByteLease(const ByteLease&) = delete;
  ByteLease& operator=(const ByteLease&) = delete;
  ~ByteLease() { resize(0); }

  // False, and unchanged, if the budget or the owner's share of it is exhausted.
  bool resize(std::size_t bytes) {
    const std::size_t others = budget_.used - held_;
    if (bytes > held_) {
      is_share_exhausted_ = exceeds_share(bytes);
      if (is_share_exhausted_ || bytes > budget_.max - others) return false;
    }
    budget_.used = others + bytes;
    if (!owner_.empty()) note(bytes);
    held_ = bytes;
    return true;
  }
  // Why resize() last said no: the owner has its share, or all together have all.
  bool is_share_exhausted() const { return is_share_exhausted_; }

 private:
  bool exceeds_share(std::size_t bytes) const {
    const auto at = budget_.by_owner.find(owner_);
    const std::size_t others = at == budget_.by_owner.end() ? 0 : at->second - held_;
    return !owner_.empty() && (others > budget_.share() || bytes > budget_.share() - others);
  }
  void note(std::size_t bytes) {
    std::size_t& sum = budget_.by_owner[owner_];
    sum = sum - held_ + bytes;
    if (sum == 0) budget_.by_owner.erase(owner_);
  }

  ByteBudget& budget_;
  std::string owner_;
  bool is_share_exhausted_ = false;
  std::size_t held_ = 0;
};

// What the sessions of one listener share. Touched on the I/O thread only.
struct Crowd {
  ByteBudget bytes{};
  WaitingLine waiting{};
};

}  // namespace mpyd::server::http
