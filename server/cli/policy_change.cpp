#include "server/cli/policy_change.hpp"

#include <algorithm>

#include "server/cli/policy_text.hpp"
#include "server/services/policy_json.hpp"

namespace mpyd::server::cli {
namespace {

bool is_in_force(const SigningBase& base, const Policy& policy) {
  return base.trust.head && policy.entries.merkle_root() == base.trust.head->merkle_root &&
         std::ranges::equal(policy.revoked_keys, base.trust.head->revoked_keys);
}

// What the signer does next, and what the command prints.
std::string signed_text(const SigningOptions& options, const SignedHead& head) {
  std::string text = "signed targets head version " + std::to_string(head.version) + ", expires " +
                     format_time(head.expires_unix_s);
  if (options.out_file.empty()) return text;
  text += "\nwrote " + options.out_file + " with " + std::to_string(head.signatures) + " of " +
          std::to_string(head.threshold) + " signatures; then ";
  return text +
         (head.signatures < head.threshold ? "another key holder: mpyd trust sign "
                                           : "send it: mpyd trust import ") +
         options.out_file;
}

}  // namespace

Outcome<trust::PolicyEntry> find_entry(const Policy& policy, const std::string& hardware_id) {
  MPYD_TRY_ASSIGN(const HardwareId id, parse_hardware_id_option(hardware_id));
  const trust::PolicyEntry* entry = policy.entries.find(id);
  if (entry == nullptr)
    return failure(Errc::not_found, "no policy entry names " + hardware_id,
                   "mpyd trust delegate makes one");
  return *entry;
}

Outcome<void> apply_policy(const SigningOptions& options, const SigningBase& base,
                           const Policy& after, const std::string& shown,
                           boost::json::object answer, const Output& out, Unchanged unchanged) {
  if (unchanged == Unchanged::leave && is_in_force(base, after)) {
    answer["version"] = base.trust.head->version;
    answer["epoch"] = base.trust.head->epoch;
    answer["changed"] = false;
    out.result(answer, "nothing to sign: it is in force already");
    return {};
  }
  const std::size_t count = after.entries.size();
  out.say(shown + std::to_string(count) + (count == 1 ? " policy entry" : " policy entries") +
          " in all, Merkle root " + std::string(format_digest(after.entries.merkle_root()).view()));
  MPYD_TRY(out.confirm("Sign this?", options.yes, kNotSigned));
  MPYD_TRY_ASSIGN(const SignedHead head, sign_and_deliver(options, base, after));
  answer["version"] = head.version;
  answer["epoch"] = head.epoch;
  answer["expires_unix_s"] = head.expires_unix_s;
  answer["changed"] = true;
  if (!options.out_file.empty()) {
    answer["file"] = options.out_file;
    answer["signatures"] = head.signatures;
    answer["threshold"] = head.threshold;
  }
  out.result(answer, signed_text(options, head));
  return {};
}

Outcome<void> apply_entry(const SigningOptions& options, const SigningBase& base,
                          const trust::PolicyEntry& entry, const Output& out) {
  Policy after = policy_of(base.trust);
  const std::string shown = entry_change(after.entries.find(entry.hardware_id), entry);
  MPYD_TRY(after.entries.put(entry));
  return apply_policy(
      options, base, after, shown,
      {{"hardware_id", std::string(entry.hardware_id.view())}, {"entry", policy_json(entry)}}, out);
}

}  // namespace mpyd::server::cli
