// mpyd trust delegate: who may publish the driver of a hardware ID.
#include "server/cli/commands.hpp"
#include "server/cli/head_signing.hpp"
#include "server/cli/policy_text.hpp"

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
  if (options.floor) entry.floor_release = *options.floor;
  entry.eeprom_packages = !options.no_eeprom;
  return entry;
}

}  // namespace

Outcome<void> run_trust_delegate(const TrustDelegateOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const HardwareId hardware_id, parse_hardware_id_option(options.hardware_id));
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  const trust::PolicyEntry* before = base.trust.entries.find(hardware_id);
  MPYD_TRY_ASSIGN(const trust::PolicyEntry entry, make_entry(options, before));
  EntrySet entries = base.trust.entries;
  MPYD_TRY(entries.put(entry));

  boost::json::object answer{{"hardware_id", options.hardware_id}, {"entry", entry_json(entry)}};
  if (base.trust.head && entries.merkle_root() == base.trust.head->merkle_root) {
    answer["version"] = base.trust.head->version;
    answer["epoch"] = base.trust.head->epoch;
    answer["changed"] = false;
    out.result(answer, options.hardware_id + " is delegated like this already");
    return {};
  }
  out.say(entry_change(before, entry) + std::to_string(entries.size()) +
          " policy entries in all, Merkle root " +
          std::string(format_digest(entries.merkle_root()).view()));
  MPYD_TRY(out.confirm("Sign this?", options.signing.yes));
  MPYD_TRY_ASSIGN(const SignedHead head, sign_and_send(options.signing, base, entries));
  answer["version"] = head.version;
  answer["epoch"] = head.epoch;
  answer["expires_unix_s"] = head.expires_unix_s;
  answer["changed"] = true;
  out.result(answer, "signed targets head version " + std::to_string(head.version) + ", expires " +
                         format_time(head.expires_unix_s));
  return {};
}

}  // namespace mpyd::server::cli
