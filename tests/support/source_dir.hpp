// Where the repository lies. In one object only: whatever else is compiled is the same in every
// clone, so ccache has it.
#pragma once

#include <string>

namespace mpyd::test {

// The path of a file given from the repository's root.
std::string source_path(const std::string& name);

}  // namespace mpyd::test
