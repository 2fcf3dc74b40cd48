#include "server/cli/trust_view.hpp"

#include <utility>

#include "server/cli/json_fields.hpp"
#include "server/cli/output.hpp"
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
  if (trust::body_digest(roots[root.version - 1]) != trust::body_digest(pinned))
    return failure(Errc::untrusted, "the server has another root than the pinned one",
                   "is --root the root document of this server?");
  std::vector<ByteVector> chain = {pinned};
  chain.insert(chain.end(), roots.begin() + root.version, roots.end());
  return chain;
}

Outcome<EntrySet> entries_of(const trust::TargetsHead& head,
                             const std::vector<ByteVector>& entries) {
  MPYD_TRY_ASSIGN(EntrySet set, EntrySet::make(entries));
  if (set.size() != head.entry_count || set.merkle_root() != head.merkle_root)
    return failure(Errc::bad_digest, "the policy entries are not those that the head signs");
  return set;
}

}  // namespace

Outcome<TrustView> verify_trust(TrustFile documents, const ByteVector& pinned_root) {
  MPYD_TRY_ASSIGN(const std::vector<ByteVector> chain,
                  chain_from_pin(pinned_root, documents.roots));
  TrustView view;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    Scratch scratch{};
    auto root = i == 0 ? trust::verify_first_root(chain[0], scratch)
                       : trust::verify_next_root(view.roots.back(), chain[i], scratch);
    MPYD_TRY_ASSIGN(root, lift(std::move(root), "a root document"));
    view.roots.push_back(*root);
  }
  view.root = view.roots.back();
  MPYD_TRY_ASSIGN(view.root_fingerprint, root_fingerprint(chain.back()));
  if (!documents.targets.empty()) {
    Scratch scratch{};
    MPYD_TRY_ASSIGN(view.head,
                    lift(trust::verify_head(view.root, {}, documents.targets.head, 0, scratch),
                         "the targets head"));
    MPYD_TRY_ASSIGN(view.entries, entries_of(*view.head, documents.targets.entries));
    view.signed_head = documents.targets.head;
  }
  view.documents = std::move(documents);
  return view;
}

Outcome<VerifiedTargets> verify_ended(const TrustView& view, const TargetsDocuments& targets) {
  VerifiedTargets out;
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(targets.head));
  MPYD_TRY_ASSIGN(out.head, trust::parse_head(document.body));
  MPYD_TRY_ASSIGN(out.entries, entries_of(out.head, targets.entries));
  // Of one epoch the last root counts: keys of earlier ones may have been given up since.
  for (auto root = view.roots.rbegin(); root != view.roots.rend(); ++root) {
    if (root->targets_epoch != out.head.epoch) continue;
    Scratch scratch{};
    MPYD_TRY(lift(trust::verify_head(*root, {}, targets.head, 0, scratch), "the ended head"));
    return out;
  }
  return failure(Errc::untrusted,
                 "no root from the pinned one on is of epoch " + std::to_string(out.head.epoch),
                 "pin an older root document of this server: --root");
}

Outcome<TrustFile> fetch_trust_file(const AdminClient& client) {
  MPYD_TRY_ASSIGN(const json::object answer, client.get("/v1/admin/trust", http::kAnswerBytesMax));
  return read_trust_fields(answer);
}

Outcome<TrustView> fetch_trust(const AdminClient& client, const ByteVector& pinned_root) {
  MPYD_TRY_ASSIGN(TrustFile documents, fetch_trust_file(client));
  return explain_as(verify_trust(std::move(documents), pinned_root),
                    "the server's trust documents");
}

Outcome<void> require_unexpired(const TrustView& view, std::uint64_t now_unix_s) {
  if (!view.head || !trust::has_expired(view.head->expires_unix_s, now_unix_s)) return {};
  return failure(Errc::expired,
                 "the policy expired at " + format_time(view.head->expires_unix_s) +
                     "; motherboards take nothing under it any more",
                 "the operator signs it anew (mpyd trust renew); if that was done, this server "
                 "holds it back, or this machine's clock is wrong");
}

Outcome<TrustFile> load_base_file(const std::string& path, const ByteVector& pinned_root) {
  MPYD_TRY_ASSIGN(TrustFile file, load_trust_file(path));
  if (!file.has_draft()) return file;
  if (!file.draft_root.empty()) {
    file.roots.push_back(std::exchange(file.draft_root, {}));
    // Whether the head counts under the new root, its epoch tells.
    MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(file.roots.back()));
    MPYD_TRY_ASSIGN(const trust::Root root, trust::parse_root(document.body));
    if (!file.targets.empty()) {
      MPYD_TRY_ASSIGN(const trust::SignedDocument head, trust::parse_signed(file.targets.head));
      MPYD_TRY_ASSIGN(const trust::TargetsHead parsed, trust::parse_head(head.body));
      if (parsed.epoch < root.targets_epoch) file.ended = std::exchange(file.targets, {});
    }
  } else {
    file.targets = std::exchange(file.draft_targets, {});
  }
  if (auto view = verify_trust(file, pinned_root); !view) {
    Failure failed = std::move(view).error();
    failed.error = std::move(failed.error).with(path + " holds a draft that is no base yet");
    if (failed.hint.empty()) failed.hint = "mpyd trust sign adds the signatures it lacks";
    return fail(std::move(failed));
  }
  return file;
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
