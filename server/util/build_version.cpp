#include "server/util/build_version.hpp"

namespace mpyd::server {

std::string_view build_version() { return MPYD_VERSION; }

}  // namespace mpyd::server
