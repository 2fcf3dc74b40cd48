// What there is to be had and by whose word: drivers, their policy entries and publishers,
// packages.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/domain/page.hpp"
#include "server/services/trust_service.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

class CatalogService {
 public:
  CatalogService(Store& store, const TrustService& trust) : store_(store), trust_(trust) {}

  // One hardware ID that policy names, or that something is published for.
  struct Driver {
    HardwareId hardware_id;
    std::optional<trust::PolicyEntry> entry;        // none: motherboards refuse it
    std::optional<ReleaseStore::Driver> published;  // none: nothing is
  };
  // By hardware ID. `filter.text` is looked for as the store does.
  Result<Page<Driver>> drivers(ReleaseStore::DriverFilter filter) const;
  Result<Driver> driver(const HardwareId& hardware_id) const;  // not_found

  // Policy entries under the head in force, by hardware ID: those above `after`.
  Page<trust::PolicyEntry> policy(std::string_view after, const HardwareReach& reach,
                                  std::size_t count_max) const;
  Result<trust::PolicyEntry> policy_of(const HardwareId& hardware_id) const;  // not_found

  // A key that policy entries name, and for what.
  struct Publisher {
    SigningKey key;
    std::vector<HardwareId> hardware_ids;  // sorted
    bool is_revoked = false;               // by the head in force
  };
  // By key: those above `after`, of those hardware IDs that `reach` covers.
  Page<Publisher> publishers(const std::optional<SigningKey>& after, const HardwareReach& reach,
                             std::size_t count_max) const;

  // The release of a package, with this variant only. Errors: not_found.
  Result<Release> package(const Digest& digest) const;

 private:
  Store& store_;
  const TrustService& trust_;
};

}  // namespace mpyd::server
