// A policy entry for programs: what the admin API answers, and what the command line prints.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "protocol/trust/documents.hpp"

namespace mpyd::server {

// "publisher" or "approved_only"
std::string_view mode_name(trust::ReleaseMode mode);

// Digests and keys as hexadecimal digits.
boost::json::object policy_json(const trust::PolicyEntry& entry);

}  // namespace mpyd::server
