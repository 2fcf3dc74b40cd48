// Key blocks that make a stored package the whole fleet's: one per package, for the newest fleet
// key, so that a board which a motherboard writes the package to is opened without a server
// anywhere.
#pragma once

#include "server/domain/release.hpp"
#include "server/services/content_keys.hpp"
#include "server/services/fleet_keys.hpp"

namespace mpyd::server {

// Threads: any.
class FleetBlocks {
 public:
  FleetBlocks(Store& store, ContentKeys& content_keys, const FleetKeys& fleet_keys)
      : store_(store), content_keys_(content_keys), fleet_keys_(fleet_keys) {}

  // The block of a package that is encrypted; made when it is first asked for, and kept.
  // Errors: not_found (there is no such package, or no fleet key), no_key (this server holds no key
  // of the package), conflict (the fleet's key is being changed).
  Result<ByteVector> of(const Variant& variant);

 private:
  Store& store_;
  ContentKeys& content_keys_;
  const FleetKeys& fleet_keys_;
};

}  // namespace mpyd::server
