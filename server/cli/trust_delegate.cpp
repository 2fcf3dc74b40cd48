// mpyd trust delegate: who may publish the driver of a hardware ID.
#include <algorithm>

#include "server/cli/commands.hpp"
#include "server/cli/policy_change.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

Outcome<trust::PolicyEntry> make_entry(const TrustDelegateOptions& options,
                                       const trust::PolicyEntry* before) {
  // What the command does not name stays: floors, revoked and approved digests, pins.
  trust::PolicyEntry entry = before == nullptr ? trust::PolicyEntry{} : *before;
  MPYD_TRY_ASSIGN(entry.hardware_id, parse_hardware_id_option(options.hardware_id));
  MPYD_TRY_ASSIGN(entry.driver_name, lift(parse_driver_name(options.driver_name), "--name"));
  entry.publisher_keys.clear();
  for (const std::string& publisher : options.publishers) {
    MPYD_TRY_ASSIGN(const SigningKey key, read_public_key(publisher, KeyRole::publisher));
    for (const SigningKey& earlier : entry.publisher_keys)
      if (earlier == key)
        return failure(Errc::invalid_argument, "the same publisher key was given twice");
    if (!entry.publisher_keys.push_back(key))
      return failure(Errc::limit, "a hardware ID has at most " + std::to_string(kPublisherKeysMax) +
                                      " publisher keys");
  }
  entry.threshold = options.threshold.value_or(before == nullptr ? 1 : before->threshold);
  if (entry.threshold == 0 || entry.threshold > entry.publisher_keys.size())
    return failure(Errc::invalid_argument,
                   "of " + std::to_string(entry.publisher_keys.size()) + " publishers " +
                       std::to_string(entry.threshold) + " cannot sign",
                   options.threshold
                       ? "--threshold is between 1 and the number of publishers"
                       : "so many had to sign until now; name as many publishers, or say "
                         "--threshold");
  if (options.floor && *options.floor < entry.floor_release)
    return failure(Errc::rollback,
                   "the floor is release " + std::to_string(entry.floor_release) +
                       " already; it never goes down",
                   "only a new epoch, signed by root, starts floors anew");
  if (options.floor) entry.floor_release = *options.floor;
  entry.eeprom_packages =
      options.eeprom_packages.value_or(before == nullptr || before->eeprom_packages);
  entry.unchecked_packages =
      options.unchecked_packages.value_or(before != nullptr && before->unchecked_packages);
  return entry;
}

// What is published under a key is not signed again by itself.
void warn_of_dropped(const trust::PolicyEntry* before, const trust::PolicyEntry& after,
                     const Output& out) {
  if (before == nullptr) return;
  for (const SigningKey& key : before->publisher_keys)
    if (std::ranges::find(after.publisher_keys, key) == after.publisher_keys.end())
      out.say("WARNING: " + to_hex(key.bytes()) +
              " is no publisher of it any more: motherboards stop loading what only that key "
              "signed. Name both, publish anew, and drop the old one then.");
}

}  // namespace

Outcome<void> run_trust_delegate(const TrustDelegateOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const HardwareId hardware_id, parse_hardware_id_option(options.hardware_id));
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  const trust::PolicyEntry* before = base.trust.entries.find(hardware_id);
  MPYD_TRY_ASSIGN(const trust::PolicyEntry entry, make_entry(options, before));
  const RevokedKeys revoked = policy_of(base.trust).revoked_keys;
  for (const SigningKey& key : entry.publisher_keys)
    if (std::ranges::find(revoked, key) != revoked.end())
      return failure(Errc::revoked, "the publisher key " + to_hex(key.bytes()) + " was revoked",
                     "make a new one: mpyd keygen --role publisher");
  warn_of_dropped(before, entry, out);
  return apply_entry(options.signing, base, entry, out);
}

}  // namespace mpyd::server::cli
