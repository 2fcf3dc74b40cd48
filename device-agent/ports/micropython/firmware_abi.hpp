// What this firmware offers to native code, known at compile time.
#pragma once

#include "protocol/abi.hpp"

namespace mpyd::agent {

Abi firmware_abi();

}  // namespace mpyd::agent
