// Owned bytes, and how they become text.
#pragma once

#include <vector>

#include "protocol/bytes.hpp"

namespace mpyd::server {

using ByteVector = std::vector<std::byte>;

inline ByteVector to_vector(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace mpyd::server
