// A folder of variants, as deploy/driver leaves it: <arch>/NAME.mpy, `any` being the bytecode.
#pragma once

#include <string>
#include <vector>

#include "protocol/abi.hpp"
#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

struct FolderVariant {
  std::string path;
  Arch arch;  // whose folder it lies in
};

// The variants of one driver in `folder`/native if that is there, else in `folder`; in the order of
// architectures. Anything that could be a variant and is none is an error, for what is left out
// unnoticed is missed on a motherboard.
// Errors: not_found (no variants, an empty folder of an arch), invalid_argument (a folder that is
// called like no arch beside others that are, several .mpy in one, two names), io.
Outcome<std::vector<FolderVariant>> find_variants(const std::string& folder);

}  // namespace mpyd::server::cli
