// The server's trust documents, verified by the client from the root it pins.
#pragma once

#include <optional>
#include <string>

#include "protocol/trust/verify.hpp"
#include "server/cli/admin_client.hpp"
#include "server/services/documents.hpp"

namespace mpyd::server::cli {

struct TrustView {
  trust::Root root;              // in force: walked from the pinned one
  std::string root_fingerprint;  // of the root in force
  // The newest head and its entries, verified under `root` (its expiry is not judged); absent: the
  // operator has not delegated anything yet.
  std::optional<trust::TargetsHead> head;
  ByteVector signed_head;
  EntrySet entries;
};

// Errors: those of the admin API; those of verify_next_root, verify_head; rollback (the server's
// root is older than the pinned one), untrusted (the server has another root), bad_digest (the
// entries are not those of the head).
Outcome<TrustView> fetch_trust(const AdminClient& client, const ByteVector& pinned_root);

// A root document from a file. Errors: not_found, io, limit, and those of verify_first_root.
Outcome<ByteVector> load_root(const std::string& file);

// Refuses a server that says it has another key than the root in force certifies.
// Errors: those of the admin API; untrusted.
Outcome<void> require_certified_server(const AdminClient& client, const trust::Root& root);

}  // namespace mpyd::server::cli
