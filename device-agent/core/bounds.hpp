// What a device keeps is bounded: policy entries with everything of their hardware ID, and packages
// per hardware ID.
#pragma once

#include "device-agent/core/trust_store.hpp"

namespace mpyd::agent {

inline constexpr unsigned kCachedPackagesMax = 4;  // per hardware ID; also what a request reports

// What may not be forgotten now.
class Needs {
 public:
  virtual bool needs_entry(const FileName& entry_file) = 0;  // of a board that is plugged
  virtual bool needs_package(const Digest& digest) = 0;      // chosen or loaded

 protected:
  ~Needs() = default;
};

// Beyond kSavedEntriesMax entries the one proved longest ago goes first, with the answer, the list
// of loaded packages, the packages and the content keys of its hardware ID. Errors: io.
Result<void> forget_surplus_entries(const TrustStore& trust, Store& store, Needs& needs,
                                    MutableBytes buffer);

// Beyond kCachedPackagesMax packages the oldest release goes first, never the newest, with its
// content key. `buffer` holds a package head. Errors: io.
Result<void> forget_surplus_packages(Store& store, const HardwareId& hardware_id, Needs& needs,
                                     MutableBytes buffer);

}  // namespace mpyd::agent
