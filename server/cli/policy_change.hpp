// One change of policy, from what is in force to a new signed head: shown, confirmed, signed, sent.
#pragma once

#include <boost/json/object.hpp>

#include "server/cli/head_signing.hpp"

namespace mpyd::server::cli {

// What a targets head says besides its version and time.
struct Policy {
  EntrySet entries;
  RevokedKeys revoked_keys;
};

// What is in force; nothing before the first head.
Policy policy_of(const SigningBase& base);

// The entry to change. Errors: not_found, with the command that makes one.
Outcome<trust::PolicyEntry> find_entry(const Policy& policy, const std::string& hardware_id);

// Shows `shown` and the new Merkle root, asks, signs, sends, and prints `answer` with version,
// epoch, expiry and `changed`. Nothing is signed if `after` says what is in force already. Errors:
// invalid_argument (not confirmed), those of sign_and_send.
Outcome<void> apply_policy(const SigningOptions& options, const SigningBase& base,
                           const Policy& after, const std::string& shown,
                           boost::json::object answer, const Output& out);

// apply_policy for a change of one entry.
Outcome<void> apply_entry(const SigningOptions& options, const SigningBase& base,
                          const trust::PolicyEntry& entry, const Output& out);

}  // namespace mpyd::server::cli
