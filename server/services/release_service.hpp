// Looking at releases, and taking them out of delivery and back.
#pragma once

#include <string>

#include "server/services/resolve_service.hpp"
#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

class ReleaseService {
 public:
  ReleaseService(Store& store, ResolveService& resolve, const Clock& clock)
      : store_(store), resolve_(resolve), clock_(clock) {}

  Result<std::vector<Release>> list(const ReleaseStore::Filter& filter) const;
  Result<std::uint64_t> count() const;

  struct Selection {
    HardwareId hardware_id;
    VersionText version;
    std::string abi_text;  // empty: all variants of the release
  };
  // Withdrawn packages are not delivered, and devices are told to avoid those they have.
  // Returns how many variants changed; doing it twice is a success. Errors: not_found.
  Result<std::uint32_t> set_withdrawn(const Selection& selection, bool withdrawn,
                                      const std::string& actor);

  // Ciphertext, as any cache may keep it. Errors: not_found.
  Result<PackageStore::Part> package_part(const Digest& digest, std::uint64_t offset,
                                          std::uint64_t length) const;

 private:
  Store& store_;
  ResolveService& resolve_;
  const Clock& clock_;
};

}  // namespace mpyd::server
