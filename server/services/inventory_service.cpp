#include "server/services/inventory_service.hpp"

namespace mpyd::server {

Result<Page<InventoryRow>> InventoryService::list(InventoryStore::Filter filter) const {
  const std::size_t count_max = filter.count_max++;
  MPYD_TRY_ASSIGN(auto rows,
                  store_.get([&](const Snapshot& s) { return s.inventory().list(filter); }));
  return make_page(std::move(rows), count_max);
}

Result<InventoryService::Numbers> InventoryService::statistics() const {
  const std::uint64_t now = clock_.now_unix_s();
  return store_.get([&](const Snapshot& s) -> Result<Numbers> {
    Numbers out;
    MPYD_TRY_ASSIGN(out.fleet, s.inventory().statistics(
                                   now > kSeenWithin_s ? now - kSeenWithin_s : 0, kTopMax));
    MPYD_TRY_ASSIGN(out.releases, s.releases().count());
    return out;
  });
}

}  // namespace mpyd::server
