// What keeps a listener within its memory, whatever its peers do: places, and bytes held for them.
#pragma once

#include <cstddef>
#include <list>

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
};

// One connection's part of it; given back at the end.
class ByteLease {
 public:
  explicit ByteLease(ByteBudget& budget) : budget_(budget) {}
  ByteLease(const ByteLease&) = delete;
  ByteLease& operator=(const ByteLease&) = delete;
  ~ByteLease() { resize(0); }

  // False, and unchanged, if the budget is exhausted.
  bool resize(std::size_t bytes) {
    const std::size_t others = budget_.used - held_;
    if (bytes > held_ && bytes > budget_.max - others) return false;
    budget_.used = others + bytes;
    held_ = bytes;
    return true;
  }

 private:
  ByteBudget& budget_;
  std::size_t held_ = 0;
};

// What the sessions of one listener share. Touched on the I/O thread only.
struct Crowd {
  ByteBudget bytes;
  WaitingLine waiting;
};

}  // namespace mpyd::server::http
