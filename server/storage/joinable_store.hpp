// A store whose changes somebody else may join: what has to be true when a change happens, and what
// has to be remembered with it, in the change's own transaction. Whoever makes the change knows
// nothing of it.
#pragma once

#include <atomic>

#include "server/storage/store.hpp"

namespace mpyd::server {

class JoinableStore final : public Store {
 public:
  explicit JoinableStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  struct Guest {
    Write before;               // first in the first transaction; its errors are those of write()
    Write after;                // last in every transaction
    bool is_rehearsal = false;  // every write says what it would, and undoes it
    bool has_written = false;   // out: a transaction got to its end
  };
  // While it lives, `guest` joins what this thread writes. One at a time; both outlive it.
  class Visit {
   public:
    Visit(const JoinableStore& store, Guest& guest);
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit();
  };

  Result<void> write(const Write& f, Durability durability = Durability::full) override;
  Result<void> read(const Read& f) override { return store_->read(f); }

  // Did the storage fail at the last change that was to be written?
  bool has_failed_to_write() const { return has_failed_; }

 private:
  Result<void> write_watched(const Write& f, Durability durability);

  std::unique_ptr<Store> store_;
  std::atomic<bool> has_failed_ = false;
};

}  // namespace mpyd::server
