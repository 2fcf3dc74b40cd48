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
  if (options.threshold == 0 || options.threshold > entry.publisher_keys.size())
    return failure(Errc::invalid_argument, "--threshold is between 1 and the number of publishers");
  entry.threshold = options.threshold;
  if (options.floor && *options.floor < entry.floor_release)
    return failure(Errc::rollback,
                   "the floor is release " + std::to_string(entry.floor_release) +
                       " already; it never goes down",
                   "only a new epoch, signed by root, starts floors anew");
  if (options.floor) entry.floor_release = *options.floor;
  entry.eeprom_packages = !options.no_eeprom;
  entry.unchecked_packages = options.unchecked_packages;
  return entry;
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
  return apply_entry(options.signing, base, entry, out);
}

}  // namespace mpyd::server::cli
