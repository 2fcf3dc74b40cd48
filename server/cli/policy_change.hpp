// One change of policy, from what is in force to a new signed head: shown, confirmed, signed, sent.
#pragma once

#include <boost/json/object.hpp>

#include "server/cli/head_signing.hpp"

namespace mpyd::server::cli {

// The entry to change. Errors: not_found, with the command that makes one.
Outcome<trust::PolicyEntry> find_entry(const Policy& policy, const std::string& hardware_id);

// What happens to a policy that is in force already.
enum class Unchanged : std::uint8_t { leave, sign_again };

// Shows `shown` and the new Merkle root, asks, signs, sends or writes, and prints `answer` with
// version, epoch, expiry and `changed`. Nothing is signed if `after` says what is in force already,
// unless it is to be signed again. Errors: invalid_argument (not confirmed), those of
// sign_and_deliver.
Outcome<void> apply_policy(const SigningOptions& options, const SigningBase& base,
                           const Policy& after, const std::string& shown,
                           boost::json::object answer, const Output& out,
                           Unchanged unchanged = Unchanged::leave);

// apply_policy for a change of one entry.
Outcome<void> apply_entry(const SigningOptions& options, const SigningBase& base,
                          const trust::PolicyEntry& entry, const Output& out);

}  // namespace mpyd::server::cli
