#pragma once

#include <string_view>

namespace mpyd::server {

// Of this binary, e.g. "0.1.0".
std::string_view build_version();

}  // namespace mpyd::server
