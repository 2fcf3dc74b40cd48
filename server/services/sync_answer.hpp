// Putting a sync answer together within the device's bounds.
#pragma once

#include "mpyd/v1/device.pb.h"
#include "server/services/content_keys.hpp"
#include "server/services/fleet_blocks.hpp"
#include "server/services/resolve_service.hpp"
#include "server/services/server_place.hpp"
#include "server/services/sync_request.hpp"
#include "server/services/trust_service.hpp"

namespace mpyd::server {

// Wipes the content and fleet keys in it when destroyed.
class SyncAnswer {
 public:
  SyncAnswer() = default;
  SyncAnswer(const SyncAnswer&) = delete;
  SyncAnswer& operator=(const SyncAnswer&) = delete;
  ~SyncAnswer();

  v1::SyncAnswer& message() { return message_; }
  const v1::SyncAnswer& message() const { return message_; }

  // At most as long as a device reads (schema/mpyd/v1/device.options).
  void set_message(std::string_view text);

 private:
  v1::SyncAnswer message_;
};

// What answering takes from the rest of the server.
struct AnswerSources {
  const TrustView& view;
  ResolveService& resolve;
  ContentKeys& content_keys;
  const FleetKeys& fleet_keys;
  FleetBlocks& fleet_blocks;
  const ServerPlace& place;
  std::string_view device_id;
};

// Adds the newest head, if the device's is older, the fleet keys, if the device's are others, where
// the server is from now on, and a decision for every board that wants one, that a package is to be
// stored on, or that is in `retry_slots`, as far as `message_bytes_max` allows; the device asks
// again for the rest.
// Errors: io, timeout.
Result<void> fill_answer(const AnswerSources& sources, const SyncRequest& request,
                         std::span<const std::uint32_t> retry_slots, std::size_t message_bytes_max,
                         SyncAnswer& answer);

}  // namespace mpyd::server
