// Trust documents in a file, for machines that never see the server: what `mpyd trust export`
// writes, and with a draft what `sign` adds signatures to and `import` sends.
//
//   {"mpyd":"trust", "format":1, "min_reader":1,
//    "roots":[base64...],                            from version 1
//    "head":base64, "entries":[base64...],           in force; absent: none
//    "ended":{"head":..., "entries":[...]},          what a root of a new epoch ended; absent: none
//    "draft":{"root":base64} or {"head":base64, "entries":[...]}}
//
// The answer of GET /v1/admin/trust has the same fields. Nothing here judges; trust_view does.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/cli/outcome.hpp"
#include "server/util/bytes.hpp"

namespace mpyd::server::cli {

// A head and its entries, as they were signed. An empty head: none.
struct TargetsDocuments {
  ByteVector head;
  std::vector<ByteVector> entries;

  bool empty() const { return head.empty(); }
};

struct TrustFile {
  std::vector<ByteVector> roots;
  TargetsDocuments targets;
  TargetsDocuments ended;
  // At most one of them.
  ByteVector draft_root;
  TargetsDocuments draft_targets;

  bool has_draft() const { return !draft_root.empty() || !draft_targets.empty(); }
};

inline constexpr std::string_view kTrustFileStart = "{\"mpyd\":\"trust\"";

// Errors: malformed, limit, unsupported (a newer format).
Outcome<TrustFile> read_trust_fields(const boost::json::object& object);
Outcome<TrustFile> parse_trust_file(Bytes text);
// Errors: also not_found, io.
Outcome<TrustFile> load_trust_file(const std::string& path);
Outcome<void> save_trust_file(const std::string& path, const TrustFile& file);

}  // namespace mpyd::server::cli
