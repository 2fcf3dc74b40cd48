// How a targets key holder changes policy: fetch, verify against what was signed last, show, sign,
// send. Used by every command that signs a head.
#pragma once

#include "server/cli/commands.hpp"
#include "server/cli/trust_view.hpp"

namespace mpyd::server::cli {

// The base of a change: the server's trust, checked against the heads kept beside the keys. A head
// signed here that never reached the server is sent again first.
struct SigningBase {
  AdminClient client;
  std::vector<SigningKeyPair> keys;
  TrustView trust;
};

// Errors: those of fetch_trust and load_signing_key; untrusted (a key is no targets key of the
// root), threshold (too few keys), rollback (an older base than the kept one), equivocation
// (another head of the same version).
Outcome<SigningBase> open_signing_base(const SigningOptions& options, const Output& out);

using RevokedKeys = decltype(trust::TargetsHead::revoked_keys);

struct SignedHead {
  std::uint32_t epoch = 0;
  std::uint32_t version = 0;
  std::uint64_t expires_unix_s = 0;
};
// Signs version + 1 over `entries`, keeps it beside the keys, and sends it.
Outcome<SignedHead> sign_and_send(const SigningOptions& options, const SigningBase& base,
                                  const EntrySet& entries, const RevokedKeys& revoked_keys);

}  // namespace mpyd::server::cli
