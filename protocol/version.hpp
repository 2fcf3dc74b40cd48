// Semantic versions, for people. Machines order releases by their release number.
#pragma once

#include <string_view>

#include "protocol/inline_buffer.hpp"
#include "protocol/limits.hpp"

namespace mpyd {

using VersionText = InlineText<kVersionMax>;

// `X.Y.Z`, optionally `-pre.release` and `+build`, as semver.org 2.0.0 says (no leading zeros).
// Errors: limit, malformed.
Result<VersionText> parse_version(std::string_view text);

}  // namespace mpyd
