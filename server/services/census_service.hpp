// How many there are of what the server keeps.
#pragma once

#include "server/storage/store.hpp"

namespace mpyd::server {

struct Census {
  ReleaseStore::Totals releases;
  std::vector<DeviceStore::StateCount> devices;  // by state
  std::vector<DeviceStore::SlotCount> slots;     // by state and error, of enrolled devices
  std::uint64_t tokens = 0;
  std::uint64_t audit_rows = 0;
};

class CensusService {
 public:
  explicit CensusService(Store& store) : store_(store) {}

  // Of one moment; reads every device once.
  Result<Census> count() const;

 private:
  Store& store_;
};

}  // namespace mpyd::server
