#include "server/cli/head_signing.hpp"

#include <algorithm>
#include <limits>

#include "server/cli/passphrase.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server::cli {
namespace {

bool names(const trust::RoleKeys& role, const SigningKey& key) {
  return std::find(role.keys.begin(), role.keys.end(), key) != role.keys.end();
}

std::string source_of(const SigningBase& base) { return base.client ? "the server" : "the base"; }

// What was signed and what is presented, for a refusal: the lines go to the signer, the sentence
// into the message.
std::string told(const PolicyDifference& difference, const Output& out) {
  if (difference.empty()) return "the entries are the same";
  out.say("compared with what this key signed last:\n" + difference.text);
  return difference.sentence;
}

Outcome<void> refuse_older(const KeptHead& kept, const SigningBase& base,
                           const PolicyDifference& difference, const Output& out) {
  const std::uint32_t has = base.trust.head ? base.trust.head->version : 0;
  return failure(Errc::rollback,
                 source_of(base) + " has targets head version " + std::to_string(has) +
                     ", but this key signed " + version_text(kept.head) +
                     " already: " + told(difference, out),
                 base.client ? "the server was rolled back, or is not the one this key is for"
                             : "take a newer base: mpyd trust export, or the file signed last");
}

// The base is older than what this key holder signed. One that is just one short may have missed
// the last one, or the last one waits for other signers; anything else is a rolled back server.
Outcome<void> handle_older(const SigningOptions& options, const KeptHead& kept, SigningBase& base,
                           const PolicyDifference& difference, const Output& out) {
  const std::uint32_t has = base.trust.head ? base.trust.head->version : 0;
  if (kept.head.version != has + 1) return refuse_older(kept, base, difference, out);
  MPYD_TRY_ASSIGN(
      const std::uint32_t signatures,
      count_signatures(kept.signed_head, trust::kTargetsPrefix, base.trust.root.targets));
  const bool is_draft = signatures < base.trust.root.targets.threshold;
  if (is_draft && options.base_version == has && has != 0) {
    out.say("giving up the draft of " + version_text(kept.head) + ", which lacks signatures");
    return {};
  }
  if (is_draft)
    return failure(Errc::conflict,
                   "what this key signed last, " + version_text(kept.head) + ", has " +
                       std::to_string(signatures) + " of " +
                       std::to_string(base.trust.root.targets.threshold) +
                       " signatures and is not in force: " + told(difference, out),
                   "complete it (mpyd trust sign, mpyd trust import), or give it up: "
                   "--base-version " +
                       std::to_string(has));
  if (!base.client) return refuse_older(kept, base, difference, out);
  out.say("the head signed last, " + version_text(kept.head) +
          ", did not reach the server; sending it again");
  MPYD_TRY(base.client->put("/v1/admin/trust/targets", head_body(kept.signed_head, kept.entries)));
  base.trust.head = kept.head;
  base.trust.signed_head = kept.signed_head;
  base.trust.entries = kept.entries;
  return {};
}

Outcome<void> check_against_kept(const SigningOptions& options, const std::string& key_file,
                                 const std::optional<KeptHead>& kept, SigningBase& base,
                                 const Output& out) {
  const std::optional<trust::TargetsHead>& head = base.trust.head;
  if (!kept) {
    if (head)
      out.say("no head is kept beside " + key_file + ": taking " + source_of(base) + "'s " +
              version_text(*head) + " as the base");
    return {};
  }
  // A new epoch starts over; root said so.
  if (kept->head.epoch < base.trust.root.targets_epoch) return {};
  if (kept->head.epoch > base.trust.root.targets_epoch)
    return failure(Errc::rollback, source_of(base) + "'s root is of an older epoch than " +
                                       version_text(kept->head) + ", which this key signed");
  base.version_signed = std::max(base.version_signed, kept->head.version);
  const PolicyDifference difference = compare_policies(policy_of(*kept), policy_of(base.trust));
  if (!head || kept->head.version > head->version)
    return handle_older(options, *kept, base, difference, out);
  if (kept->head.version == head->version) {
    if (trust::body_digest(kept->signed_head) == trust::body_digest(base.trust.signed_head))
      return {};
    return failure(Errc::equivocation,
                   source_of(base) + " has another head of " + version_text(*head) +
                       " than the one this key signed: " + told(difference, out));
  }
  if (options.base_version == head->version) {
    out.say("accepted as the base: " + version_text(*head) +
            ". Compared with what this key signed last:\n" +
            (difference.empty() ? "no difference\n" : difference.text));
    return {};
  }
  return failure(
      Errc::policy,
      source_of(base) + "'s targets head, " + version_text(*head) +
          ", was signed elsewhere since, by other targets keys or a copy of this one: " +
          told(difference, out),
      "if all of that is right, repeat with --base-version " + std::to_string(head->version));
}

// Entries that are not those the head signs: the kept base tells which.
Unexpected<Failure> name_entries(Failure failed, const TrustFile& documents,
                                 const std::vector<std::optional<KeptHead>>& kept,
                                 const Output& out) {
  const auto set = EntrySet::make(documents.targets.entries);
  for (const std::optional<KeptHead>& each : kept) {
    if (!each || !set || failed.error.code != Errc::bad_digest) continue;
    Policy before = policy_of(*each);
    const PolicyDifference difference = compare_policies(before, Policy{*set, before.revoked_keys});
    failed.error.message += ": " + told(difference, out);
    break;
  }
  return fail(std::move(failed));
}

}  // namespace

std::string version_text(const trust::TargetsHead& head) {
  return "version " + std::to_string(head.version) + " of epoch " + std::to_string(head.epoch);
}

Policy policy_of(const KeptHead& kept) { return {kept.entries, kept.head.revoked_keys}; }

Policy policy_of(const TrustView& trust) {
  return {trust.entries, trust.head ? trust.head->revoked_keys : RevokedKeys{}};
}

Outcome<std::vector<SigningKeyPair>> load_targets_keys(const std::vector<std::string>& key_files,
                                                       const std::string& passphrase_file,
                                                       const trust::Root& root) {
  std::vector<SigningKeyPair> keys;
  for (const std::string& file : key_files) {
    MPYD_TRY_ASSIGN(SigningKeyPair key,
                    load_signing_key(file, KeyRole::targets, passphrase_from(passphrase_file)));
    if (!names(root.targets, key.public_key))
      return failure(Errc::untrusted, file + " is not a targets key of the root in force");
    keys.push_back(std::move(key));
  }
  return keys;
}

Outcome<SigningBase> open_signing_base(const SigningOptions& options, const Output& out) {
  SigningBase base;
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  TrustFile documents;
  if (options.base_file.empty()) {
    MPYD_TRY_ASSIGN(base.client, AdminClient::open(options.server));
    MPYD_TRY_ASSIGN(documents, fetch_trust_file(*base.client));
  } else {
    if (options.out_file.empty())
      return failure(Errc::invalid_argument, "with --base, nothing is sent to a server",
                     "--out FILE takes what is signed");
    MPYD_TRY_ASSIGN(documents, load_base_file(options.base_file, pinned));
  }
  std::vector<std::optional<KeptHead>> kept;
  for (const std::string& key_file : options.key_files) {
    MPYD_TRY_ASSIGN(kept.emplace_back(), load_kept_head(key_file));
  }
  auto view = explain_as(verify_trust(documents, pinned), source_of(base));
  if (!view) return name_entries(std::move(view).error(), documents, kept, out);
  base.trust = *std::move(view);
  MPYD_TRY_ASSIGN(base.keys,
                  load_targets_keys(options.key_files, options.passphrase_file, base.trust.root));
  const std::uint32_t threshold = base.trust.root.targets.threshold;
  if (base.keys.size() < threshold && options.out_file.empty())
    return failure(Errc::threshold,
                   "a head needs " + std::to_string(threshold) + " targets keys, " +
                       std::to_string(base.keys.size()) + " were given",
                   "repeat --key for each of them, or write a draft that the others sign: --out");
  for (std::size_t i = 0; i < kept.size(); ++i)
    MPYD_TRY(check_against_kept(options, options.key_files[i], kept[i], base, out));
  return base;
}

Outcome<void> check_version_left(std::uint32_t version) {
  if (version != std::numeric_limits<std::uint32_t>::max()) return {};
  return failure(Errc::limit,
                 "the targets head is at version " + std::to_string(version) +
                     ", the highest there is: nothing can follow it in this epoch",
                 "only a new epoch helps: mpyd trust rotate targets --key root.key, then mpyd "
                 "trust restore");
}

Outcome<SignedHead> sign_and_deliver(const SigningOptions& options, const SigningBase& base,
                                     const Policy& after) {
  trust::TargetsHead head;
  head.epoch = base.trust.root.targets_epoch;
  head.revoked_keys = after.revoked_keys;
  const std::uint32_t last =
      std::max(base.trust.head ? base.trust.head->version : 0, base.version_signed);
  MPYD_TRY(check_version_left(last));
  head.version = last + 1;
  head.expires_unix_s = SystemClock().now_unix_s() + std::uint64_t{options.expires_days} * 86400;
  std::vector<const SigningKeyPair*> signers;
  for (const SigningKeyPair& key : base.keys) signers.push_back(&key);
  MPYD_TRY_ASSIGN(const ByteVector signed_head, sign_head(head, after.entries, signers));
  for (const std::string& key_file : options.key_files)
    MPYD_TRY(save_kept_head(key_file, signed_head, after.entries));
  if (options.out_file.empty()) {
    MPYD_TRY(base.client->put("/v1/admin/trust/targets", head_body(signed_head, after.entries)));
  } else {
    TrustFile file = base.trust.documents;
    file.draft_targets.head = signed_head;
    for (std::size_t i = 0; i < after.entries.size(); ++i)
      file.draft_targets.entries.push_back(after.entries.bytes(i));
    MPYD_TRY(save_trust_file(options.out_file, file));
  }
  return SignedHead{head.epoch, head.version, head.expires_unix_s,
                    static_cast<std::uint32_t>(base.keys.size()),
                    base.trust.root.targets.threshold};
}

}  // namespace mpyd::server::cli
