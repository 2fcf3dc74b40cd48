// Looking at releases, taking them out of delivery and back, and advising against them.
#pragma once

#include <string>

#include "server/domain/page.hpp"
#include "server/services/resolve_service.hpp"
#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

class ReleaseService {
 public:
  ReleaseService(Store& store, ResolveService& resolve, const Clock& clock)
      : store_(store), resolve_(resolve), clock_(clock) {}

  Result<Page<Release>> list(ReleaseStore::Filter filter) const;
  // With all its variants. Errors: not_found.
  Result<Release> show(const HardwareId& hardware_id, const VersionText& version) const;
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

  // Advises people against a release, or (an empty `message`) no more; motherboards get it as
  // before. Returns whether that is news; doing it twice is a success. Errors: not_found,
  // invalid_argument (a message of more than kDeprecationCharsMax bytes, or of several lines).
  static constexpr std::size_t kDeprecationCharsMax = 200;
  Result<bool> set_deprecated(const HardwareId& hardware_id, const VersionText& version,
                              const std::string& message, const std::string& actor);

  // With its key block, as it was published. Errors: not_found.
  Result<StoredPackage> package(const Digest& digest) const;

  // Ciphertext, as any cache may keep it. Errors: not_found.
  Result<PackageStore::Part> package_part(const Digest& digest, std::uint64_t offset,
                                          std::uint64_t length) const;

 private:
  Store& store_;
  ResolveService& resolve_;
  const Clock& clock_;
};

}  // namespace mpyd::server
