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

// Remembers which strangers with a token of this server are on record in the present hour: each
// once, and only so many of them that nobody fills the disk with device keys made up for it.
class RefusedStrangers {
 public:
  static constexpr std::size_t kRowsPerHourMax = 20;

  // Is this one to be written down? From then on it is.
  bool is_news(const ExchangeKey& device_key, std::uint64_t now_unix_s);

 private:
  std::uint64_t hour_ = 0;  // counted from 1970
  std::vector<ExchangeKey> written_;
};

// Events of one device that reach the audit log within an hour; more are only counted, so that no
// device, opened or gone mad, fills the disk.
inline constexpr std::uint32_t kEventRowsPerHourMax = 300;

// One pair of motherboards that have one board is an alarm in the audit log so often at most.
inline constexpr std::uint64_t kCloneAlarmEvery_s = 24 * 3600;

// Lets the device in, or says why not; when it is let in, its counter, inventory and events are on
// record. A device that is not let in changes nothing, but for the first contact of one that has to
// wait for the operator: it is known from then on. One refused for its token is in the audit log.
Result<Admission> admit(Store& store, const ExchangeKey& device_key, const SyncRequest& request,
                        std::uint64_t now_unix_s, RefusedStrangers& strangers);

// What an answer brings a device that is to be remembered.
struct Answered {
  std::vector<std::uint32_t> retry_slots;  // told to try again
  struct Stored {
    std::uint32_t slot = 0;
    std::string hardware_id;
    std::string digest;  // hex
  };
  std::vector<Stored> stored;  // packages to write to a board, with a key block for the fleet
};

// Counts retries, and writes down in the audit log who may make boards that carry packages.
Result<void> record_answer(Store& store, const std::string& id, const Answered& answered,
                           std::uint64_t now_unix_s);

}  // namespace mpyd::server
