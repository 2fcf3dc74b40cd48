#include "tests/support/source_dir.hpp"

namespace mpyd::test {

std::string source_path(const std::string& name) { return MPYD_SOURCE_DIR "/" + name; }

}  // namespace mpyd::test
