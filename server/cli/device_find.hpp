// Which device an operator means.
#pragma once

#include <string>

#include "server/cli/admin_client.hpp"

namespace mpyd::server::cli {

// The ID of the device that `text` names: an ID, the first digits of one (four at least), or a
// name. Devices that are out for good come last: a name passes on to the one that took their place.
// Errors: not_found, conflict (several; the message names them), those of the server.
Outcome<std::string> find_device(const AdminClient& client, const std::string& text);

}  // namespace mpyd::server::cli
