// The last targets head a key holder signed, kept beside the key as KEY.head, with its entries.
//
// It is written before the head is sent: no version is ever signed twice with different content,
// and a head that did not arrive is sent again. The file is one JSON object {"format":1,
// "head":base64, "entries":[base64...]}, the body of PUT /v1/admin/trust/targets with a format.
#pragma once

#include <boost/json/object.hpp>
#include <compare>
#include <optional>
#include <string>

#include "server/cli/outcome.hpp"
#include "server/services/documents.hpp"

namespace mpyd::server::cli {

struct KeptHead {
  ByteVector signed_head;
  trust::TargetsHead head;
  EntrySet entries;
};

// Errors: those of load_kept_head; not_found.
Outcome<KeptHead> load_head_file(const std::string& path);

// By epoch, then version: the order in which heads supersede each other.
std::strong_ordering compare_versions(const trust::TargetsHead& a, const trust::TargetsHead& b);

std::string kept_head_path(const std::string& key_file);

// Absent if the file is not there. Errors: io, limit, malformed, unsupported (a newer format).
Outcome<std::optional<KeptHead>> load_kept_head(const std::string& key_file);
// Errors: rollback (a newer one is kept; the file stays as it is), equivocation (another of the
// same version is), io, those of load_kept_head.
Outcome<void> save_kept_head(const std::string& key_file, Bytes signed_head,
                             const EntrySet& entries);

// The last root a root key signed, kept beside it as KEY.root for the same reason.
// Absent if the file is not there. Errors: io, limit.
Outcome<std::optional<ByteVector>> load_kept_root(const std::string& key_file);
// Errors: as save_kept_head.
Outcome<void> save_kept_root(const std::string& key_file, Bytes signed_root);

// {"head":..., "entries":[...]}.
boost::json::object head_body(Bytes signed_head, const EntrySet& entries);

}  // namespace mpyd::server::cli
