// Asking a server for a token: what token create and device provision --fleet have in common.
#pragma once

#include "server/cli/commands.hpp"

namespace mpyd::server::cli {

// 30d, 12h, 45m, 2w -> seconds. Errors: invalid_argument.
Outcome<std::uint64_t> parse_duration(const std::string& text);

// The server's answer; its field `token` is the secret.
// Errors: invalid_argument (a duration that is none), those of the admin API.
Outcome<boost::json::object> request_token(const AdminClient& client,
                                           const TokenCreateOptions& options);

}  // namespace mpyd::server::cli
