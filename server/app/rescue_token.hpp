// An admin token made beside a server that does not run: the way back for who has none any more.
#pragma once

#include <string>

#include "server/util/error.hpp"

namespace mpyd::server {

// Returns the token, which nothing shows again. Whoever may read the data directory could do as
// much by hand; this leaves a row in the audit log.
// Errors: those of lock_data (a server that runs: conflict), unsupported (the database has another
// schema), conflict (the name is taken), invalid_argument (the name), io.
Result<std::string> make_rescue_token(const std::string& data_dir, const std::string& name);

}  // namespace mpyd::server
