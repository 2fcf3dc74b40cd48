// How a targets key holder changes policy: fetch or read, verify against what was signed last,
// show, sign, send or write. Used by every command that signs a head.
#pragma once

#include "server/cli/commands.hpp"
#include "server/cli/kept_head.hpp"
#include "server/cli/policy_difference.hpp"
#include "server/cli/trust_view.hpp"

namespace mpyd::server::cli {

// The base of a change: trust as the server or a file has it, checked against the heads kept beside
// the keys. A head signed here that never reached the server is sent again first.
struct SigningBase {
  std::optional<AdminClient> client;  // absent: off line (--base)
  std::vector<SigningKeyPair> keys;
  TrustView trust;
  std::uint32_t version_signed = 0;  // the highest of this epoch that these keys signed
};

// Errors: those of fetch_trust and load_signing_key; untrusted (a key is no targets key of the
// root), threshold (too few keys, and no --out), rollback (an older base than the kept one),
// equivocation (another head of the same version), bad_digest: each names the hardware IDs whose
// entries were added, dropped or changed; policy (signed elsewhere; see --base-version).
Outcome<SigningBase> open_signing_base(const SigningOptions& options, const Output& out);

struct SignedHead {
  std::uint32_t epoch = 0;
  std::uint32_t version = 0;
  std::uint64_t expires_unix_s = 0;
  std::uint32_t signatures = 0;
  std::uint32_t threshold = 0;
};
// Signs the next version over `after`, keeps it beside the keys, and sends it or, with --out,
// writes it. Errors: limit (the last version of the epoch is used up), those of the API and of the
// file.
Outcome<SignedHead> sign_and_deliver(const SigningOptions& options, const SigningBase& base,
                                     const Policy& after);

// "version 3 of epoch 1".
std::string version_text(const trust::TargetsHead& head);
Policy policy_of(const KeptHead& kept);
// What is in force; nothing before the first head.
Policy policy_of(const TrustView& trust);

// Errors: limit, with the way out.
Outcome<void> check_version_left(std::uint32_t version);

// The targets keys of `root` among `key_files`, as many as are given. Errors: untrusted, and those
// of load_signing_key.
Outcome<std::vector<SigningKeyPair>> load_targets_keys(const std::vector<std::string>& key_files,
                                                       const std::string& passphrase_file,
                                                       const trust::Root& root);

}  // namespace mpyd::server::cli
