#include "server/storage/joinable_store.hpp"

namespace mpyd::server {
namespace {

// A request is handled on one thread from its start to its end, so its thread names it.
thread_local const JoinableStore* visited = nullptr;
thread_local JoinableStore::Guest* visitor = nullptr;

}  // namespace

JoinableStore::Visit::Visit(const JoinableStore& store, Guest& guest) {
  visited = &store;
  visitor = &guest;
}

JoinableStore::Visit::~Visit() {
  visited = nullptr;
  visitor = nullptr;
}

// A change that was refused says nothing of the storage.
Result<void> JoinableStore::write_watched(const Write& f, Durability durability) {
  Result<void> written = store_->write(f, durability);
  if (written || written.error().code == Errc::io) has_failed_ = !written;
  return written;
}

Result<void> JoinableStore::write(const Write& f, Durability durability) {
  Guest* const guest = visited == this ? visitor : nullptr;
  if (guest == nullptr) return write_watched(f, durability);
  bool is_undone = false;
  const Result<void> written = write_watched(
      [&](Transaction& tx) -> Result<void> {
        if (guest->before && !guest->has_written) MPYD_TRY(guest->before(tx));
        MPYD_TRY(f(tx));
        is_undone = guest->is_rehearsal;
        if (is_undone) return fail(Errc::conflict, "a rehearsal");
        if (guest->after) MPYD_TRY(guest->after(tx));
        return {};
      },
      durability);
  if (!written && !is_undone) return fail(written.error());
  guest->has_written = true;
  return {};
}

}  // namespace mpyd::server
