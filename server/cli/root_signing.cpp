#include "server/cli/root_signing.hpp"

#include <algorithm>
#include <limits>

#include "server/cli/json_fields.hpp"
#include "server/cli/kept_head.hpp"
#include "server/cli/passphrase.hpp"
#include "server/util/clock.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

bool names(const trust::RoleKeys& role, const SigningKey& key) {
  return std::find(role.keys.begin(), role.keys.end(), key) != role.keys.end();
}

std::string role_change(const std::string& name, const trust::RoleKeys& before,
                        const trust::RoleKeys& after) {
  std::string out;
  for (const SigningKey& key : before.keys)
    if (!names(after, key)) out += "  - " + name + " key " + to_hex(key.bytes()) + "\n";
  for (const SigningKey& key : after.keys)
    if (!names(before, key)) out += "  + " + name + " key " + to_hex(key.bytes()) + "\n";
  if (before.threshold != after.threshold)
    out += "  - " + name + " keys needed " + std::to_string(before.threshold) + "\n  + " + name +
           " keys needed " + std::to_string(after.threshold) + "\n";
  return out;
}

std::string line_change(const std::string& name, const std::string& before,
                        const std::string& after) {
  if (before == after) return {};
  return "  - " + name + " " + before + "\n  + " + name + " " + after + "\n";
}

Outcome<ByteVector> sign_with(const RootSigningOptions& options, const trust::Root& before,
                              const trust::Root& next, ByteVector document) {
  std::vector<SigningKeyPair> keys;
  for (const std::string& file : options.key_files) {
    MPYD_TRY(check_against_kept_root(file, before, document));
    MPYD_TRY_ASSIGN(SigningKeyPair key, load_root_key(file, options.passphrase_file, before, next));
    keys.push_back(std::move(key));
  }
  std::vector<const SigningKeyPair*> signers;
  for (const SigningKeyPair& key : keys) signers.push_back(&key);
  MPYD_TRY_ASSIGN(document, add_signatures(document, trust::kRootPrefix, signers));
  return document;
}

Outcome<void> send_root(const RootBase& base, Bytes signed_root, json::object& answer) {
  MPYD_TRY_ASSIGN(const json::object said,
                  base.client->post("/v1/admin/trust/roots", {{"root", to_base64(signed_root)}}));
  for (const char* field : {"key_blocks", "damaged"})
    if (!is_absent(said, field)) answer[field] = said.at(field);
  return {};
}

}  // namespace

Outcome<RootBase> open_root_base(const RootSigningOptions& options) {
  RootBase base;
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  if (options.base_file.empty()) {
    MPYD_TRY_ASSIGN(base.client, AdminClient::open(options.server, kRootTimeoutMs));
    MPYD_TRY_ASSIGN(base.trust, fetch_trust(*base.client, pinned));
    return base;
  }
  if (options.out_file.empty())
    return failure(Errc::invalid_argument, "with --base, nothing is sent to a server",
                   "--out FILE takes what is signed");
  MPYD_TRY_ASSIGN(TrustFile file, load_base_file(options.base_file, pinned));
  MPYD_TRY_ASSIGN(base.trust, verify_trust(std::move(file), pinned));
  return base;
}

std::string root_change(const trust::Root& before, const trust::Root& after) {
  std::string out = "root version " + std::to_string(before.version) + " -> " +
                    std::to_string(after.version) + "\n";
  out += role_change("root", before.root, after.root);
  out += role_change("targets", before.targets, after.targets);
  out += line_change("server key", to_hex(before.server_key.bytes()),
                     to_hex(after.server_key.bytes()));
  out += line_change("epoch", std::to_string(before.targets_epoch),
                     std::to_string(after.targets_epoch));
  out +=
      line_change("expires", format_time(before.expires_unix_s), format_time(after.expires_unix_s));
  if (before.targets_epoch != after.targets_epoch)
    out +=
        "A new epoch ends the policy in force: motherboards load nothing new until a head of the "
        "new epoch is signed (mpyd trust restore).\n";
  return out;
}

std::string damaged_note(const json::object& answer) {
  const json::value* damaged = answer.if_contains("damaged");
  if (damaged == nullptr || !damaged->is_number() || damaged->to_number<std::uint64_t>() == 0)
    return {};
  return "\nWARNING: the keys of " + shown(answer, "damaged") +
         " packages did not open and are sealed to the old server key still; the server keeps that "
         "key as server.key.old. Publish those packages again, then destroy it";
}

std::string MissingSignatures::text() const {
  if (none()) return "it has all signatures";
  return "it lacks " + std::to_string(of_old) + " signatures of the old root's keys and " +
         std::to_string(of_new) + " of the new root's";
}

Outcome<MissingSignatures> missing_signatures(Bytes signed_root, const trust::Root& before,
                                              const trust::Root& after) {
  const auto lacking = [&](const trust::RoleKeys& role) -> Result<std::uint32_t> {
    MPYD_TRY_ASSIGN(const std::uint32_t has,
                    count_signatures(signed_root, trust::kRootPrefix, role));
    return has >= role.threshold ? 0 : role.threshold - has;
  };
  MissingSignatures out;
  MPYD_TRY_ASSIGN(out.of_old, lacking(before.root));
  MPYD_TRY_ASSIGN(out.of_new, lacking(after.root));
  return out;
}

Outcome<void> check_against_kept_root(const std::string& key_file, const trust::Root& before,
                                      Bytes signed_root) {
  MPYD_TRY_ASSIGN(const auto kept, load_kept_root(key_file));
  if (!kept) return {};
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(*kept));
  MPYD_TRY_ASSIGN(const trust::Root last, trust::parse_root(document.body));
  if (last.version <= before.version) return {};
  if (trust::body_digest(*kept) == trust::body_digest(signed_root)) return {};
  return failure(last.version == before.version + 1 ? Errc::equivocation : Errc::rollback,
                 "this key signed another root of version " + std::to_string(last.version) +
                     " already (" + key_file + ".root), and the base is at version " +
                     std::to_string(before.version),
                 "take a newer base, or complete that root first; if it was given up, move " +
                     key_file + ".root away");
}

Outcome<SigningKeyPair> load_root_key(const std::string& key_file,
                                      const std::string& passphrase_file, const trust::Root& before,
                                      const trust::Root& after) {
  MPYD_TRY_ASSIGN(SigningKeyPair key,
                  load_signing_key(key_file, KeyRole::root, passphrase_from(passphrase_file)));
  if (names(before.root, key.public_key) || names(after.root, key.public_key)) return key;
  return failure(Errc::untrusted,
                 key_file + " is a root key of neither the root in force nor the new one");
}

Outcome<void> apply_root(const RootSigningOptions& options, const RootBase& base, trust::Root next,
                         json::object answer, const std::string& text_after, const Output& out) {
  const trust::Root& before = base.trust.root;
  if (before.version == std::numeric_limits<std::uint32_t>::max())
    return failure(Errc::limit, "the root is at the highest version there is");
  next.version = before.version + 1;
  if (options.expires_days)
    next.expires_unix_s =
        *options.expires_days == 0
            ? 0
            : SystemClock().now_unix_s() + std::uint64_t{*options.expires_days} * 86400;
  MPYD_TRY_ASSIGN(const ByteVector body, format_root(next));
  MPYD_TRY_ASSIGN(ByteVector document, unsigned_document(body));
  out.say(root_change(before, next));
  MPYD_TRY(out.confirm("Sign this root?", options.yes, kNotSigned));
  MPYD_TRY_ASSIGN(document, sign_with(options, before, next, std::move(document)));
  MPYD_TRY_ASSIGN(const MissingSignatures missing, missing_signatures(document, before, next));
  if (!missing.none() && options.out_file.empty())
    return failure(
        Errc::threshold,
        "root version " + std::to_string(next.version) + " is not signed: " + missing.text(),
        "repeat --key for each root key, or write a draft that the others sign: --out");
  // Before it leaves: no version is ever signed with two contents.
  for (const std::string& file : options.key_files) MPYD_TRY(save_kept_root(file, document));
  answer["version"] = next.version;
  answer["epoch"] = next.targets_epoch;
  answer["missing_old"] = missing.of_old;
  answer["missing_new"] = missing.of_new;
  std::string text = "root version " + std::to_string(next.version);
  if (options.out_file.empty()) {
    MPYD_TRY(send_root(base, document, answer));
    text += " is in force" + damaged_note(answer);
  } else {
    TrustFile file = base.trust.documents;
    file.draft_root = document;
    MPYD_TRY(save_trust_file(options.out_file, file));
    answer["file"] = options.out_file;
    text += " is in " + options.out_file + "; " + missing.text() + "; then " +
            (missing.none() ? "mpyd trust import " : "mpyd trust sign ") + options.out_file;
  }
  MPYD_TRY_ASSIGN(const std::string fingerprint, root_fingerprint(document));
  answer["fingerprint"] = fingerprint;
  out.result(answer, text + "\nfingerprint  " + fingerprint + "\n" + text_after);
  return {};
}

}  // namespace mpyd::server::cli
