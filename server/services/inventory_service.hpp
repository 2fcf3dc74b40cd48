// What is plugged where, and the fleet in numbers.
#pragma once

#include "server/domain/page.hpp"
#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

class InventoryService {
 public:
  InventoryService(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  Result<Page<InventoryRow>> list(InventoryStore::Filter filter) const;

  // A device that was seen in so many last seconds counts as seen.
  static constexpr std::uint64_t kSeenWithin_s = 24 * 3600;
  struct Numbers {
    Statistics fleet;
    std::uint64_t releases = 0;  // published
  };
  // Reads the whole inventory: for people and for a scrape a minute, not for every request.
  Result<Numbers> statistics() const;

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace mpyd::server
