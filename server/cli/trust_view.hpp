// The server's trust documents, verified by the client from the root it pins.
#pragma once

#include <optional>
#include <string>

#include "protocol/trust/verify.hpp"
#include "server/cli/admin_client.hpp"
#include "server/cli/trust_file.hpp"
#include "server/services/documents.hpp"

namespace mpyd::server::cli {

struct TrustView {
  TrustFile documents;             // as they came
  std::vector<trust::Root> roots;  // walked, from the pinned one to the one in force
  trust::Root root;                // in force: the last of them
  std::string root_fingerprint;    // of the root in force
  // The newest head and its entries, verified under `root` (its expiry is not judged); absent: the
  // operator has not delegated anything yet in this epoch.
  std::optional<trust::TargetsHead> head;
  ByteVector signed_head;
  EntrySet entries;
};

// Errors: those of verify_next_root, verify_head; rollback (the newest root is older than the
// pinned one), untrusted (another root), bad_digest (the entries are not those of the head).
Outcome<TrustView> verify_trust(TrustFile documents, const ByteVector& pinned_root);

// A head whose entries are these, signed by the targets keys of that root of the view whose epoch
// is the head's. Errors: bad_digest, untrusted (no root of the view has this epoch), those of
// verify_head.
struct VerifiedTargets {
  trust::TargetsHead head;
  EntrySet entries;
};
Outcome<VerifiedTargets> verify_ended(const TrustView& view, const TargetsDocuments& targets);

// Errors: those of the admin API.
Outcome<TrustFile> fetch_trust_file(const AdminClient& client);
// Both in one. Errors: those of both.
Outcome<TrustView> fetch_trust(const AdminClient& client, const ByteVector& pinned_root);

// From a file; a draft in it that has all its signatures counts as in force.
// Errors: those of load_trust_file and verify_trust; threshold (the draft lacks signatures).
Outcome<TrustFile> load_base_file(const std::string& path, const ByteVector& pinned_root);

// A root document from a file. Errors: not_found, io, limit, and those of verify_first_root.
Outcome<ByteVector> load_root(const std::string& file);

// For what a motherboard would not take any more. Errors: expired (the head in force).
Outcome<void> require_unexpired(const TrustView& view, std::uint64_t now_unix_s);

// Refuses a server that says it has another key than the root in force certifies.
// Errors: those of the admin API; untrusted.
Outcome<void> require_certified_server(const AdminClient& client, const trust::Root& root);

}  // namespace mpyd::server::cli
