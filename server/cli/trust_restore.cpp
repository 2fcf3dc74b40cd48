// mpyd trust restore: the first head of a new epoch, from a policy the operator trusts.
// mpyd trust renew: the policy in force, signed again before it expires.
#include "server/cli/commands.hpp"
#include "server/cli/policy_change.hpp"
#include "server/cli/policy_text.hpp"

namespace mpyd::server::cli {
namespace {

// Of an ended epoch, as the server hands it out; empty if it has none that the walked roots prove.
Outcome<std::optional<Policy>> ended_policy(const SigningBase& base) {
  if (base.trust.documents.ended.empty()) return std::optional<Policy>();
  MPYD_TRY_ASSIGN(VerifiedTargets ended, verify_ended(base.trust, base.trust.documents.ended));
  return std::optional<Policy>(Policy{std::move(ended.entries), ended.head.revoked_keys});
}

// The head kept beside a key of an older epoch.
Outcome<Policy> kept_policy(const SigningBase& base, const std::string& file, const Output& out) {
  MPYD_TRY_ASSIGN(const KeptHead kept, load_head_file(file));
  if (kept.head.epoch > base.trust.root.targets_epoch)
    return failure(Errc::rollback, file + " is of epoch " + std::to_string(kept.head.epoch) +
                                       ", and the root in force is of an older one");
  TargetsDocuments documents{.head = kept.signed_head};
  for (std::size_t i = 0; i < kept.entries.size(); ++i)
    documents.entries.push_back(kept.entries.bytes(i));
  // The operator vouches for the file by naming it; a signature is more, and its lack worth a word.
  if (const auto proved = verify_ended(base.trust, documents); !proved)
    out.say("NOTE: nothing but this file vouches for " + version_text(kept.head) + " in it (" +
            proved.error().error.message + "); read the entries below with care");
  return policy_of(kept);
}

std::string all_of(const Policy& policy) { return compare_policies(Policy{}, policy).text; }

Outcome<Policy> choose_policy(const TrustRestoreOptions& options, const SigningBase& base,
                              const std::optional<Policy>& served, const Output& out) {
  if (!options.kept_head.empty()) return kept_policy(base, options.kept_head, out);
  if (!options.from_server)
    return failure(Errc::invalid_argument, "restored from what?",
                   "--base OLDKEY.head: the policy kept beside the old targets key; --from-server: "
                   "what was in force, if nobody else signed it");
  if (!served)
    return failure(Errc::not_found, "the server has no head of an ended epoch",
                   "--base OLDKEY.head takes the one kept beside the old targets key");
  return *served;
}

}  // namespace

Outcome<void> run_trust_restore(const TrustRestoreOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  // What a thief signed need not even verify; a comparison with it is a help, no proof.
  const auto ended = ended_policy(base);
  if (!ended && options.from_server) return fail(ended.error());
  const std::optional<Policy> served = base.trust.head ? policy_of(base.trust)
                                       : ended         ? *ended
                                                       : std::nullopt;
  MPYD_TRY_ASSIGN(const Policy policy, choose_policy(options, base, served, out));
  std::string shown;
  if (options.from_server || !served) {
    shown = all_of(policy);
  } else {
    const PolicyDifference difference = compare_policies(*served, policy);
    shown = "compared with what the server served last:\n" +
            (difference.empty() ? std::string("no difference\n") : difference.text);
  }
  return apply_policy(options.signing, base, policy, shown, {{"restored", true}}, out);
}

Outcome<void> run_trust_renew(const SigningOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options, out));
  if (!base.trust.head)
    return failure(Errc::not_found, "no targets head is in force", "mpyd trust delegate signs one");
  return apply_policy(options, base, policy_of(base.trust),
                      "the policy stays; only version and expiry are new\n", {{"renewed", true}},
                      out, Unchanged::sign_again);
}

}  // namespace mpyd::server::cli
