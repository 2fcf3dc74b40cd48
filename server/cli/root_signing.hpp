// How root key holders make the next root: from the one in force, shown, confirmed, signed, sent or
// written as a draft for the other holders.
#pragma once

#include <boost/json/object.hpp>

#include "server/cli/commands.hpp"
#include "server/cli/trust_view.hpp"

namespace mpyd::server::cli {

struct RootBase {
  std::optional<AdminClient> client;  // absent: off line (--base)
  TrustView trust;
};
// A new root may take a server long: all that is sealed to the old server key is sealed anew.
inline constexpr unsigned kRootTimeoutMs = 3'600'000;

// Errors: those of fetch_trust and load_base_file; invalid_argument (--base without --out).
Outcome<RootBase> open_root_base(const RootSigningOptions& options);

// What changes from one root to the next, in lines with - and +.
std::string root_change(const trust::Root& before, const trust::Root& after);

// From the server's answer to a new root: a line about key blocks that did not open, and about the
// key it keeps for them, with a newline in front; empty if there are none.
std::string damaged_note(const boost::json::object& answer);

// How many more signatures a root needs by the rules of the old and of the new root.
struct MissingSignatures {
  std::uint32_t of_old = 0;
  std::uint32_t of_new = 0;
  bool none() const { return of_old == 0 && of_new == 0; }
  std::string text() const;
};
Outcome<MissingSignatures> missing_signatures(Bytes signed_root, const trust::Root& before,
                                              const trust::Root& after);

// Refuses a root that this key holder has seen a newer one of, or another of the same version; what
// is signed from here on is kept as KEY.root. Errors: rollback, equivocation.
Outcome<void> check_against_kept_root(const std::string& key_file, const trust::Root& before,
                                      Bytes signed_root);

// A root key of either root. Errors: untrusted, and those of load_signing_key.
Outcome<SigningKeyPair> load_root_key(const std::string& key_file,
                                      const std::string& passphrase_file, const trust::Root& before,
                                      const trust::Root& after);

// `next` is complete but for its version and expiry. Shows, asks, signs, and sends or writes it;
// prints `answer` with version, epoch and missing signatures, and `text_after`.
// Errors: invalid_argument (not confirmed), threshold (too few keys, and no --out), those above.
Outcome<void> apply_root(const RootSigningOptions& options, const RootBase& base, trust::Root next,
                         boost::json::object answer, const std::string& text_after,
                         const Output& out);

}  // namespace mpyd::server::cli
