// Where else a board is at the same time, as the admin API tells it.
#pragma once

#include <boost/json/array.hpp>

#include "server/services/device_service.hpp"

namespace mpyd::server::http::handlers {

// Of the board in one slot: [{"device", "slot"}]; empty as it should be.
inline boost::json::array clones_json(const DeviceService::Detail& detail, std::uint32_t slot) {
  boost::json::array out;
  for (const DeviceService::Detail::Clone& clone : detail.clones)
    if (clone.slot == slot)
      out.push_back(
          boost::json::object{{"device", clone.other.device_id}, {"slot", clone.other.slot}});
  return out;
}

}  // namespace mpyd::server::http::handlers
