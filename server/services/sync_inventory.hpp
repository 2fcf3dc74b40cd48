// The part of a sync that changes something: admission, counter, inventory, events.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/sync/box.hpp"
#include "server/services/sync_request.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

struct Admission {
  sync::Status status = sync::Status::ok;
  std::uint64_t last_counter = 0;               // with status counter
  std::string message;                          // why, when the status is not ok
  std::vector<std::uint32_t> retry_slots = {};  // whose quarantine the operator lifts
};

// Events of one device that reach the audit log within an hour; more are only counted, so that no
// device, opened or gone mad, fills the disk.
inline constexpr std::uint32_t kEventRowsPerHourMax = 300;

// Lets the device in, or says why not; when it is let in, its counter, inventory and events are on
// record. A device that is not let in changes nothing, but for the first contact of one that has to
// wait for the operator: it is known from then on.
Result<Admission> admit(Store& store, const ExchangeKey& device_key, const SyncRequest& request,
                        std::uint64_t now_unix_s);

}  // namespace mpyd::server
