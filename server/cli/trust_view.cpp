#include "server/cli/trust_view.hpp"

#include "server/cli/json_fields.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

using Scratch = std::array<std::byte, trust::kScratchBytes>;

// `roots` is the server's list from version 1 on; the result starts with the pinned document.
Outcome<std::vector<ByteVector>> chain_from_pin(const ByteVector& pinned,
                                                const std::vector<ByteVector>& roots) {
  Scratch scratch{};
  MPYD_TRY_ASSIGN(const trust::Root root, trust::verify_first_root(pinned, scratch));
  if (roots.size() < root.version)
    return failure(Errc::rollback, "the server's root is version " + std::to_string(roots.size()) +
                                       ", older than the pinned version " +
                                       std::to_string(root.version));
  MPYD_TRY_ASSIGN(const trust::SignedDocument ours, trust::parse_signed(pinned));
  MPYD_TRY_ASSIGN(const trust::SignedDocument theirs, trust::parse_signed(roots[root.version - 1]));
  if (!same_bytes(ours.body, theirs.body))
    return failure(Errc::untrusted, "the server has another root than the pinned one",
                   "is --root the root document of this server?");
  std::vector<ByteVector> chain = {pinned};
  chain.insert(chain.end(), roots.begin() + root.version, roots.end());
  return chain;
}

Outcome<void> read_head(const json::object& answer, TrustView& view) {
  if (is_absent(answer, "head")) return {};
  MPYD_TRY_ASSIGN(view.signed_head, base64_field(answer, "head"));
  MPYD_TRY_ASSIGN(std::vector<ByteVector> entries, base64_list(answer, "entries"));
  Scratch scratch{};
  MPYD_TRY_ASSIGN(view.head, lift(trust::verify_head(view.root, {}, view.signed_head, 0, scratch),
                                  "the server's targets head"));
  MPYD_TRY_ASSIGN(view.entries, EntrySet::make(std::move(entries)));
  if (view.entries.size() != view.head->entry_count ||
      view.entries.merkle_root() != view.head->merkle_root)
    return failure(Errc::bad_digest, "the server's policy entries are not those its head signs");
  return {};
}

}  // namespace

Outcome<TrustView> fetch_trust(const AdminClient& client, const ByteVector& pinned_root) {
  MPYD_TRY_ASSIGN(const json::object answer, client.get("/v1/admin/trust"));
  MPYD_TRY_ASSIGN(const std::vector<ByteVector> roots, base64_list(answer, "roots"));
  MPYD_TRY_ASSIGN(const std::vector<ByteVector> chain, chain_from_pin(pinned_root, roots));
  TrustView view;
  MPYD_TRY_ASSIGN(view.root, walk_roots(chain));
  MPYD_TRY_ASSIGN(view.root_fingerprint, root_fingerprint(chain.back()));
  MPYD_TRY(read_head(answer, view));
  return view;
}

Outcome<ByteVector> load_root(const std::string& file) {
  MPYD_TRY_ASSIGN(ByteVector root, read_file(file, kDocumentBytesMax));
  Scratch scratch{};
  MPYD_TRY(lift(trust::verify_first_root(root, scratch), file));
  return root;
}

Outcome<void> require_certified_server(const AdminClient& client, const trust::Root& root) {
  MPYD_TRY_ASSIGN(const json::object status, client.get("/v1/admin/status"));
  MPYD_TRY_ASSIGN(const std::string hex, text_field(status, "server_key"));
  MPYD_TRY_ASSIGN(const ExchangeKey key, fixed_from_hex<ExchangeKey>(hex));
  if (key == root.server_key) return {};
  return failure(Errc::untrusted, "the server's key is not the one that the pinned root certifies",
                 "nothing was sent; is this the right server, and --root its root document?");
}

}  // namespace mpyd::server::cli
