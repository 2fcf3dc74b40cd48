// Abi <-> its protobuf message.
#pragma once

#include "mpyd/v1/package.npb.h"
#include "protocol/abi.hpp"

namespace mpyd {

// Errors: malformed (numbers nobody assigned).
Result<Abi> abi_from_message(const mpyd_v1_Abi& message);
mpyd_v1_Abi abi_to_message(const Abi& abi);

}  // namespace mpyd
