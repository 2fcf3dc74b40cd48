// mpyd trust export, sign, import: trust documents by way of files, for keys that are never on
// line.
#include <algorithm>
#include <limits>

#include "server/cli/head_signing.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/root_signing.hpp"
#include "server/util/clock.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kVersionMax = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kExpiryDaysMax = 3650;  // what --expires-days allows

void warn_of_expiry(std::uint64_t expires_unix_s, const Output& out) {
  const auto now = SystemClock().now_unix_s();
  if (expires_unix_s > now + (kExpiryDaysMax + 1) * 86400)
    out.say("WARNING: the draft expires " + format_time(expires_unix_s) +
            ", later than any that mpyd makes: it may stay in force for as long");
}

// Nothing can follow the last version, or the last epoch: whoever has it signed ends all changes.
Outcome<void> refuse_last(const std::string& what, std::uint32_t number) {
  if (number != kVersionMax) return {};
  return failure(Errc::limit,
                 "the draft is of " + what + " " + std::to_string(number) +
                     ", the highest there is: nothing could ever follow it",
                 "do not sign or send it; find out who made it");
}

// `before` is the version in force or signed last; 0: none.
void warn_of_leap(const std::string& what, std::uint32_t before, std::uint32_t number,
                  const Output& out) {
  if (number <= before || number - before <= 1) return;
  out.say("WARNING: the draft leaps from " + what + " " + std::to_string(before) + " to " +
          std::to_string(number) +
          ": drafts that mpyd makes go up by one, unless one was given up");
}

struct DraftRoot {
  trust::Root root;
  ByteVector document;
};

Outcome<DraftRoot> read_draft_root(const TrustFile& file, const trust::Root& before) {
  DraftRoot out;
  out.document = file.draft_root;
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(out.document));
  MPYD_TRY_ASSIGN(out.root, trust::parse_root(document.body));
  if (out.root.version != before.version + 1 || out.root.targets_epoch < before.targets_epoch)
    return failure(Errc::rollback, "the draft is root version " + std::to_string(out.root.version) +
                                       " of epoch " + std::to_string(out.root.targets_epoch) +
                                       ", and the root in force is version " +
                                       std::to_string(before.version) + " of epoch " +
                                       std::to_string(before.targets_epoch));
  MPYD_TRY(refuse_last("root version", out.root.version));
  MPYD_TRY(refuse_last("epoch", out.root.targets_epoch));
  return out;
}

Outcome<void> sign_root_draft(const TrustSignOptions& options, const TrustView& view,
                              TrustFile file, const Output& out) {
  MPYD_TRY_ASSIGN(DraftRoot draft, read_draft_root(file, view.root));
  out.say(root_change(view.root, draft.root));
  warn_of_leap("epoch", view.root.targets_epoch, draft.root.targets_epoch, out);
  warn_of_expiry(draft.root.expires_unix_s, out);
  for (const std::string& key_file : options.key_files) {
    MPYD_TRY(check_against_kept_root(key_file, view.root, draft.document));
    MPYD_TRY_ASSIGN(const SigningKeyPair key,
                    load_root_key(key_file, options.passphrase_file, view.root, draft.root));
    MPYD_TRY(out.confirm("Sign this root with " + key_file + "?", options.yes, kNotSigned));
    const SigningKeyPair* signer = &key;
    MPYD_TRY_ASSIGN(draft.document,
                    add_signatures(draft.document, trust::kRootPrefix, {&signer, 1}));
    MPYD_TRY(save_kept_root(key_file, draft.document));
  }
  MPYD_TRY_ASSIGN(const MissingSignatures missing,
                  missing_signatures(draft.document, view.root, draft.root));
  file.draft_root = draft.document;
  const std::string& path = options.out_file.empty() ? options.file : options.out_file;
  MPYD_TRY(save_trust_file(path, file));
  out.result(
      {{"kind", "root"},
       {"version", draft.root.version},
       {"file", path},
       {"missing_old", missing.of_old},
       {"missing_new", missing.of_new}},
      "root version " + std::to_string(draft.root.version) + " in " + path + ": " + missing.text());
  return {};
}

// The draft's head and entries, which must belong together and follow what is in force.
Outcome<KeptHead> read_draft_head(const TrustFile& file, const TrustView& view) {
  KeptHead out;
  out.signed_head = file.draft_targets.head;
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(out.signed_head));
  MPYD_TRY_ASSIGN(out.head, trust::parse_head(document.body));
  MPYD_TRY_ASSIGN(out.entries, EntrySet::make(file.draft_targets.entries));
  MPYD_TRY(refuse_last("targets head version", out.head.version));
  if (out.entries.size() != out.head.entry_count ||
      out.entries.merkle_root() != out.head.merkle_root)
    return failure(Errc::bad_digest, "the draft's entries are not those of its head");
  if (out.head.epoch != view.root.targets_epoch)
    return failure(Errc::rollback, "the draft is of epoch " + std::to_string(out.head.epoch) +
                                       ", and the root in force of epoch " +
                                       std::to_string(view.root.targets_epoch));
  if (view.head && out.head.version <= view.head->version &&
      trust::body_digest(out.signed_head) != trust::body_digest(view.signed_head))
    return failure(Errc::rollback, "the draft is " + version_text(out.head) + ", and " +
                                       version_text(*view.head) + " is in force already");
  return out;
}

// Shows what the draft changes of the policy this signer knows.
Outcome<void> show_against_kept(const std::string& key_file, const KeptHead& draft,
                                const TrustView& view, const Output& out) {
  MPYD_TRY_ASSIGN(const std::optional<KeptHead> kept, load_kept_head(key_file));
  const bool is_of_epoch = kept && kept->head.epoch == draft.head.epoch;
  const bool is_back = kept && compare_versions(draft.head, kept->head) < 0;
  const bool is_same = kept && compare_versions(draft.head, kept->head) == 0;
  if (is_back ||
      (is_same && trust::body_digest(kept->signed_head) != trust::body_digest(draft.signed_head))) {
    const PolicyDifference back = compare_policies(policy_of(*kept), policy_of(draft));
    out.say("compared with what this key signed last:\n" + back.text);
    return failure(is_same ? Errc::equivocation : Errc::rollback,
                   "the draft is " + version_text(draft.head) + ", but " + key_file +
                       (is_same ? " signed another " : " signed ") + version_text(kept->head) +
                       " already: " + (back.empty() ? "the entries are the same" : back.sentence),
                   "the draft was made from an older base, or from one that somebody changed");
  }
  const Policy before = is_of_epoch ? policy_of(*kept) : policy_of(view);
  const PolicyDifference difference = compare_policies(before, policy_of(draft));
  out.say("the draft is " + version_text(draft.head) + ", expires " +
          format_time(draft.head.expires_unix_s) + ". Compared with " +
          (is_of_epoch ? "what " + key_file + " signed last, " + version_text(kept->head)
           : kept      ? "the policy in the file; " + key_file + " signed last " +
                        version_text(kept->head) + ", whose epoch ended"
                  : "the policy in the file; nothing is kept beside " + key_file) +
          ":\n" + (difference.empty() ? "no difference\n" : difference.text));
  warn_of_leap("targets head version",
               std::max(view.head ? view.head->version : 0, is_of_epoch ? kept->head.version : 0),
               draft.head.version, out);
  warn_of_expiry(draft.head.expires_unix_s, out);
  return {};
}

Outcome<void> sign_head_draft(const TrustSignOptions& options, const TrustView& view,
                              TrustFile file, const Output& out) {
  MPYD_TRY_ASSIGN(KeptHead draft, read_draft_head(file, view));
  MPYD_TRY_ASSIGN(const std::vector<SigningKeyPair> keys,
                  load_targets_keys(options.key_files, options.passphrase_file, view.root));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    MPYD_TRY(show_against_kept(options.key_files[i], draft, view, out));
    MPYD_TRY(
        out.confirm("Sign this head with " + options.key_files[i] + "?", options.yes, kNotSigned));
    const SigningKeyPair* signer = &keys[i];
    MPYD_TRY_ASSIGN(draft.signed_head,
                    add_signatures(draft.signed_head, trust::kTargetsPrefix, {&signer, 1}));
    MPYD_TRY(save_kept_head(options.key_files[i], draft.signed_head, draft.entries));
  }
  MPYD_TRY_ASSIGN(const std::uint32_t count,
                  count_signatures(draft.signed_head, trust::kTargetsPrefix, view.root.targets));
  file.draft_targets.head = draft.signed_head;
  const std::string& path = options.out_file.empty() ? options.file : options.out_file;
  MPYD_TRY(save_trust_file(path, file));
  out.result({{"kind", "targets"},
              {"version", draft.head.version},
              {"epoch", draft.head.epoch},
              {"file", path},
              {"signatures", count},
              {"threshold", view.root.targets.threshold}},
             "targets head " + version_text(draft.head) + " in " + path + " has " +
                 std::to_string(count) + " of " + std::to_string(view.root.targets.threshold) +
                 " signatures");
  return {};
}

// The head kept beside the key that --key names, against what the server hands out.
Outcome<void> check_export(const std::string& key_file, const TrustFile& documents,
                           const Output& out) {
  MPYD_TRY_ASSIGN(const std::optional<KeptHead> kept, load_kept_head(key_file));
  if (!kept)
    return failure(Errc::not_found, "no head is kept beside " + key_file,
                   "it is written when this key signs; without it leave --key out");
  MPYD_TRY_ASSIGN(const EntrySet entries, EntrySet::make(documents.targets.entries));
  trust::TargetsHead head;
  if (!documents.targets.empty()) {
    MPYD_TRY_ASSIGN(const trust::SignedDocument document,
                    trust::parse_signed(documents.targets.head));
    MPYD_TRY_ASSIGN(head, trust::parse_head(document.body));
  }
  if (head.epoch > kept->head.epoch) return {};
  const PolicyDifference difference =
      compare_policies(policy_of(*kept), Policy{entries, head.revoked_keys});
  const bool is_same = head.epoch == kept->head.epoch && head.version == kept->head.version;
  if (head.epoch == kept->head.epoch && head.version > kept->head.version) {
    if (!difference.empty())
      out.say("since " + key_file + " signed " + version_text(kept->head) + ":\n" +
              difference.text);
    return {};
  }
  if (is_same &&
      trust::body_digest(kept->signed_head) == trust::body_digest(documents.targets.head) &&
      difference.empty())
    return {};
  out.say("compared with what this key signed last:\n" + difference.text);
  return failure(is_same ? Errc::equivocation : Errc::rollback,
                 "the server hands out " +
                     (documents.targets.empty() ? std::string("no targets head")
                                                : "targets head " + version_text(head)) +
                     ", and " + key_file + " signed " + version_text(kept->head) + ": " +
                     (difference.empty() ? "the entries are the same" : difference.sentence),
                 "the server was rolled back, or somebody changes what it hands out");
}

// Root and head, as far as they can be read; nothing is verified.
struct Claims {
  trust::Root root;
  trust::TargetsHead head;
};
Outcome<Claims> claims_of(Bytes root, Bytes head) {
  Claims out;
  if (!root.empty()) {
    MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(root));
    MPYD_TRY_ASSIGN(out.root, trust::parse_root(document.body));
  }
  if (!head.empty()) {
    MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(head));
    MPYD_TRY_ASSIGN(out.head, trust::parse_head(document.body));
  }
  return out;
}

// The last look at a draft before all devices get it. The server judges signatures; what it cannot
// know is whether somebody meant a version from which there is no way on.
Outcome<void> examine_import(const TrustFile& file, const AdminClient& client, const Output& out) {
  MPYD_TRY_ASSIGN(const Claims draft, claims_of(file.draft_root, file.draft_targets.head));
  MPYD_TRY_ASSIGN(const TrustFile served, fetch_trust_file(client));
  MPYD_TRY_ASSIGN(const Claims now, claims_of(served.roots.back(), served.targets.head));
  if (!file.draft_root.empty()) {
    MPYD_TRY(refuse_last("root version", draft.root.version));
    MPYD_TRY(refuse_last("epoch", draft.root.targets_epoch));
    warn_of_leap("epoch", now.root.targets_epoch, draft.root.targets_epoch, out);
    warn_of_expiry(draft.root.expires_unix_s, out);
    return {};
  }
  MPYD_TRY(refuse_last("targets head version", draft.head.version));
  if (draft.head.epoch == now.root.targets_epoch)
    warn_of_leap("targets head version", now.head.epoch == draft.head.epoch ? now.head.version : 0,
                 draft.head.version, out);
  warn_of_expiry(draft.head.expires_unix_s, out);
  return {};
}

}  // namespace

Outcome<void> run_trust_export(const TrustExportOptions& options, const Output& out) {
  if (options.out_file.empty() && options.newest_root_file.empty())
    return failure(Errc::invalid_argument, "nothing to write",
                   "--out FILE takes all trust documents, --newest-root FILE the newest root");
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const TrustFile documents, fetch_trust_file(client));
  for (const std::string& key_file : options.key_files)
    MPYD_TRY(check_export(key_file, documents, out));
  MPYD_TRY_ASSIGN(const TrustView view,
                  explain_as(verify_trust(documents, pinned), "the server's trust documents"));
  json::object answer{{"root_version", view.root.version},
                      {"epoch", view.root.targets_epoch},
                      {"head_version", view.head ? view.head->version : 0U},
                      {"entries", view.entries.size()}};
  std::string text;
  if (!options.out_file.empty()) {
    MPYD_TRY(save_trust_file(options.out_file, documents));
    answer["file"] = options.out_file;
    text = "wrote " + options.out_file + ": root version " + std::to_string(view.root.version) +
           (view.head ? ", targets head " + version_text(*view.head) + " with " +
                            std::to_string(view.entries.size()) + " entries\n"
                      : ", no targets head\n");
  }
  if (!options.newest_root_file.empty()) {
    MPYD_TRY(write_file(options.newest_root_file, documents.roots.back(), 0644));
    answer["newest_root_file"] = options.newest_root_file;
    text += "wrote " + options.newest_root_file + ", fingerprint " + view.root_fingerprint + "\n";
  }
  out.result(answer, text);
  return {};
}

Outcome<void> run_trust_sign(const TrustSignOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(TrustFile file, load_trust_file(options.file));
  if (!file.has_draft())
    return failure(Errc::invalid_argument, options.file + " holds nothing to sign",
                   "a change with --base " + options.file + " --out FILE makes a draft");
  MPYD_TRY_ASSIGN(const TrustView view, explain_as(verify_trust(file, pinned), options.file));
  if (!file.draft_root.empty()) return sign_root_draft(options, view, std::move(file), out);
  return sign_head_draft(options, view, std::move(file), out);
}

Outcome<void> run_trust_import(const TrustImportOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const TrustFile file, load_trust_file(options.file));
  if (!file.has_draft())
    return failure(Errc::invalid_argument, options.file + " holds no draft to send");
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server, kRootTimeoutMs));
  MPYD_TRY(examine_import(file, client, out));
  if (!file.draft_root.empty()) {
    MPYD_TRY_ASSIGN(json::object answer,
                    client.post("/v1/admin/trust/roots", {{"root", to_base64(file.draft_root)}}));
    answer["kind"] = "root";
    out.result(answer,
               "root version " + shown(answer, "version") + " is in force" + damaged_note(answer));
    return {};
  }
  MPYD_TRY_ASSIGN(const EntrySet entries, EntrySet::make(file.draft_targets.entries));
  MPYD_TRY_ASSIGN(json::object answer, client.put("/v1/admin/trust/targets",
                                                  head_body(file.draft_targets.head, entries)));
  answer["kind"] = "targets";
  out.result(answer, "targets head version " + shown(answer, "version") + " of epoch " +
                         shown(answer, "epoch") + " is in force");
  return {};
}

}  // namespace mpyd::server::cli
