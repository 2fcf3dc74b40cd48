// What the admin API's `clones` say to people.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace mpyd::server::cli {

// One line for each place where the board of this slot is at the same time; empty as it should be.
std::string clones_text(const boost::json::object& slot);

}  // namespace mpyd::server::cli
