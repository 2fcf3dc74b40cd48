// The name somebody probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mpyd::server::cli {

// The one of `names` that takes the fewest changes of a character to become `text`; of several the
// first; empty if there are no names. Bounded: of long texts the first 64 bytes are compared.
std::string nearest_name(std::string_view text, const std::vector<std::string>& names);

// The same, but empty if not even that one is like `text`: more than a third of its characters are
// others, and it does not begin with it.
std::string similar_name(std::string_view text, const std::vector<std::string>& names);

}  // namespace mpyd::server::cli
