// Changing one profile in the text of client.toml, and leaving all else as its owner wrote it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

struct ProfileChange {
  std::string key;
  std::optional<std::string> value;  // a text; absent: the key goes
};

// The new text of the file. A profile that is not there is added at the end; the first one also
// becomes the default. `path` is for messages. Errors: those of parse_config, conflict (the
// profile is written in a way that only its owner can change).
Outcome<std::string> change_profile(std::string_view text, const std::string& path,
                                    const std::string& profile,
                                    const std::vector<ProfileChange>& changes);

}  // namespace mpyd::server::cli
