#include "server/cli/head_signing.hpp"

#include <algorithm>
#include <ctime>

#include "server/cli/kept_head.hpp"
#include "server/cli/passphrase.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

bool names(const trust::RoleKeys& role, const SigningKey& key) {
  return std::find(role.keys.begin(), role.keys.end(), key) != role.keys.end();
}

Outcome<std::vector<SigningKeyPair>> load_keys(const SigningOptions& options,
                                               const trust::Root& root) {
  std::vector<SigningKeyPair> keys;
  for (const std::string& file : options.key_files) {
    MPYD_TRY_ASSIGN(SigningKeyPair key, load_signing_key(file, KeyRole::targets,
                                                         passphrase_from(options.passphrase_file)));
    if (!names(root.targets, key.public_key))
      return failure(Errc::untrusted, file + " is not a targets key of the root in force");
    keys.push_back(std::move(key));
  }
  if (keys.size() < root.targets.threshold)
    return failure(Errc::threshold,
                   "a head needs " + std::to_string(root.targets.threshold) + " targets keys, " +
                       std::to_string(keys.size()) + " were given",
                   "repeat --key for each of them");
  return keys;
}

bool is_signed_by(const ByteVector& signed_head, const SigningKey& key) {
  const auto document = trust::parse_signed(signed_head);
  if (!document) return false;
  trust::RoleKeys role;
  role.keys.push_back(key);
  role.threshold = 1;
  std::array<std::byte, trust::kScratchBytes> scratch{};
  return trust::verify_threshold(*document, trust::kTargetsPrefix, role, scratch).has_value();
}

std::string version_text(const trust::TargetsHead& head) {
  return "version " + std::to_string(head.version) + " of epoch " + std::to_string(head.epoch);
}

// The server has an older head than this key holder signed. One that is just one short may have
// missed the last one; anything else is a rolled back server.
Outcome<void> handle_older(const KeptHead& kept, SigningBase& base, const Output& out) {
  const std::uint32_t has = base.trust.head ? base.trust.head->version : 0;
  if (kept.head.epoch != base.trust.root.targets_epoch || kept.head.version != has + 1)
    return failure(Errc::rollback,
                   "the server's targets head is version " + std::to_string(has) +
                       ", but this key signed " + version_text(kept.head) + " already",
                   "the server was rolled back, or is not the one this key is for");
  out.say("the head signed last, " + version_text(kept.head) +
          ", did not reach the server; sending it again");
  MPYD_TRY(base.client.put("/v1/admin/trust/targets", head_body(kept.signed_head, kept.entries)));
  base.trust.head = kept.head;
  base.trust.signed_head = kept.signed_head;
  base.trust.entries = kept.entries;
  return {};
}

Outcome<void> check_against_kept(const SigningOptions& options, const std::string& key_file,
                                 const SigningKey& key, SigningBase& base, const Output& out) {
  MPYD_TRY_ASSIGN(const std::optional<KeptHead> kept, load_kept_head(key_file));
  const std::optional<trust::TargetsHead>& head = base.trust.head;
  if (!kept) {
    if (head)
      out.say("no head is kept beside " + key_file + ": taking the server's " +
              version_text(*head) + " as the base");
    return {};
  }
  // A new epoch starts over; root said so.
  if (kept->head.epoch < base.trust.root.targets_epoch) return {};
  if (kept->head.epoch > base.trust.root.targets_epoch)
    return failure(Errc::rollback, "the server's root is of an older epoch than " +
                                       version_text(kept->head) + ", which this key signed");
  if (!head || kept->head.version > head->version) return handle_older(*kept, base, out);
  if (kept->head.version == head->version) {
    if (kept->head.merkle_root == head->merkle_root) return {};
    return failure(Errc::equivocation, "the server has another head of " + version_text(*head) +
                                           " than the one this key signed");
  }
  if (is_signed_by(base.trust.signed_head, key) || options.base_version == head->version) return {};
  return failure(Errc::policy,
                 "the server's targets head, " + version_text(*head) +
                     ", was signed by other targets keys since",
                 "look at it (mpyd trust show), then repeat with --base-version " +
                     std::to_string(head->version));
}

}  // namespace

Outcome<SigningBase> open_signing_base(const SigningOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(TrustView view, fetch_trust(client, pinned));
  MPYD_TRY_ASSIGN(std::vector<SigningKeyPair> keys, load_keys(options, view.root));
  SigningBase base{std::move(client), std::move(keys), std::move(view)};
  for (std::size_t i = 0; i < base.keys.size(); ++i)
    MPYD_TRY(check_against_kept(options, options.key_files[i], base.keys[i].public_key, base, out));
  return base;
}

Outcome<SignedHead> sign_and_send(const SigningOptions& options, const SigningBase& base,
                                  const EntrySet& entries, const RevokedKeys& revoked_keys) {
  trust::TargetsHead head;
  head.epoch = base.trust.root.targets_epoch;
  head.revoked_keys = revoked_keys;
  head.version = base.trust.head ? base.trust.head->version + 1 : 1;
  head.expires_unix_s =
      static_cast<std::uint64_t>(std::time(nullptr)) + std::uint64_t{options.expires_days} * 86400;
  std::vector<const SigningKeyPair*> signers;
  for (const SigningKeyPair& key : base.keys) signers.push_back(&key);
  MPYD_TRY_ASSIGN(const ByteVector signed_head, sign_head(head, entries, signers));
  for (const std::string& key_file : options.key_files)
    MPYD_TRY(save_kept_head(key_file, signed_head, entries));
  MPYD_TRY(base.client.put("/v1/admin/trust/targets", head_body(signed_head, entries)));
  return SignedHead{head.epoch, head.version, head.expires_unix_s};
}

}  // namespace mpyd::server::cli
