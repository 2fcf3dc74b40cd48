#include "server/services/trust_service.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "protocol/trust/verify.hpp"
#include "server/services/policy_json.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

// Checks the entries against a head whose signature was verified.
Result<EntrySet> check_entries(const trust::TargetsHead& head, std::vector<ByteVector> entries) {
  MPYD_TRY_ASSIGN(EntrySet set, EntrySet::make(std::move(entries)));
  if (set.size() != head.entry_count || set.merkle_root() != head.merkle_root)
    return fail(Errc::bad_digest,
                "the policy entries are not those the targets head was signed over");
  return set;
}

// What a new head is held against: an older one is a rollback, the same version with another body
// is an equivocation.
trust::HeadInForce in_force_of(const TrustView& view) {
  if (!view.head()) return {};
  return {view.head()->epoch, view.head()->version, trust::body_digest(view.head_document())};
}

Result<trust::TargetsHead> check_head(const trust::Root& root, trust::HeadInForce in_force,
                                      Bytes signed_head, std::uint64_t now_unix_s) {
  std::vector<std::byte> scratch(trust::kScratchBytes);
  return lift(trust::verify_head(root, in_force, signed_head, now_unix_s, scratch), "targets head");
}

// The view after `signed_root`. A change of targets keys that leaves the epoch as it was would turn
// the head in force into one that nobody signed.
Result<std::shared_ptr<const TrustView>> view_with(const TrustView& old, Bytes signed_root) {
  std::vector<ByteVector> roots = old.roots();
  roots.push_back(to_vector(signed_root));
  std::vector<ByteVector> entries = old.ended_entries();
  for (std::size_t i = 0; i < old.entries().size(); ++i) entries.push_back(old.entries().bytes(i));
  ByteVector head = old.head() ? old.head_document() : old.ended_head();
  auto made = TrustView::make(std::move(roots), std::move(head), std::move(entries));
  if (!made && old.head())
    return fail(Errc::conflict,
                "the targets head in force would not count under this root, and its epoch is the "
                "same: a root that changes targets keys raises the epoch");
  return made;
}

}  // namespace

Result<std::shared_ptr<const TrustView>> TrustView::make(std::vector<ByteVector> roots,
                                                         ByteVector head,
                                                         std::vector<ByteVector> entries) {
  auto view = std::shared_ptr<TrustView>(new TrustView);
  if (roots.empty()) return fail(Errc::not_found, "there is no root document");
  MPYD_TRY_ASSIGN(view->root_, walk_roots(roots));
  MPYD_TRY_ASSIGN(view->root_fingerprint_, server::root_fingerprint(roots.front()));
  view->roots_ = std::move(roots);
  if (head.empty()) return view;
  // A root of a new epoch ends every head before it; then there is none until a new one comes.
  MPYD_TRY_ASSIGN(const trust::SignedDocument document,
                  lift(trust::parse_signed(head), "targets head"));
  MPYD_TRY_ASSIGN(const trust::TargetsHead claimed,
                  lift(trust::parse_head(document.body), "targets head"));
  if (claimed.epoch != view->root_.targets_epoch) {
    view->ended_head_ = std::move(head);
    view->ended_entries_ = std::move(entries);
    return view;
  }
  MPYD_TRY_ASSIGN(view->head_, check_head(view->root_, {}, head, 0));
  MPYD_TRY_ASSIGN(view->entries_, check_entries(*view->head_, std::move(entries)));
  view->head_document_ = std::move(head);
  return view;
}

Result<ByteVector> TrustView::proof(const HardwareId& hardware_id) const {
  const std::scoped_lock lock(proofs_mutex_);
  if (const auto found = proofs_.find(hardware_id); found != proofs_.end()) return found->second;
  MPYD_TRY_ASSIGN(ByteVector proof, entries_.proof(hardware_id));
  proofs_.emplace(hardware_id, proof);
  return proof;
}

Result<void> TrustService::load() {
  auto loaded = store_.get([](const Snapshot& s) -> Result<std::shared_ptr<const TrustView>> {
    MPYD_TRY_ASSIGN(auto roots, s.trust().roots());
    MPYD_TRY_ASSIGN(auto head, s.trust().newest_head());
    MPYD_TRY_ASSIGN(auto entries, s.trust().entries());
    return TrustView::make(std::move(roots), std::move(head).value_or(ByteVector{}),
                           std::move(entries));
  });
  if (!loaded) return fail(std::move(loaded).error().with("stored trust documents"));
  const std::scoped_lock lock(view_mutex_);
  view_ = *std::move(loaded);
  return {};
}

std::optional<std::uint64_t> TrustService::expired_unix_s() const {
  const auto in_force = view();
  const auto& head = in_force->head();
  if (!head || !trust::has_expired(head->expires_unix_s, clock_.now_unix_s())) return std::nullopt;
  return head->expires_unix_s;
}

std::shared_ptr<const TrustView> TrustService::view() const {
  const std::scoped_lock lock(view_mutex_);
  return view_;
}

namespace {

constexpr std::size_t kAuditedEntriesMax = 32;

// The names of the fields that differ.
boost::json::array fields_changed(const trust::PolicyEntry* before,
                                  const trust::PolicyEntry& after) {
  if (before == nullptr) return {"new"};
  const boost::json::object old = policy_json(*before);
  boost::json::array out;
  for (const auto& field : policy_json(after))
    if (old.at(field.key()) != field.value()) out.emplace_back(field.key());
  return out;
}

// What a head changes, for the audit log: hardware IDs, and which fields of their entries.
std::string changes_text(const TrustView& before, const TrustView& after) {
  boost::json::object changed;
  std::size_t more = 0;
  const auto note = [&](const HardwareId& id, boost::json::array what) {
    if (changed.size() < kAuditedEntriesMax)
      changed[id.view()] = std::move(what);
    else
      ++more;
  };
  for (std::size_t i = 0; i < after.entries().size(); ++i) {
    const trust::PolicyEntry& entry = after.entries().entry(i);
    boost::json::array what = fields_changed(before.entries().find(entry.hardware_id), entry);
    if (!what.empty()) note(entry.hardware_id, std::move(what));
  }
  for (std::size_t i = 0; i < before.entries().size(); ++i) {
    const HardwareId& id = before.entries().entry(i).hardware_id;
    if (after.entries().find(id) == nullptr) note(id, {"removed"});
  }
  boost::json::object detail{{"entries", after.entries().size()}, {"changed", std::move(changed)}};
  if (more != 0) detail["changed_more"] = more;
  boost::json::array revoked;
  for (const SigningKey& key : after.head()->revoked_keys)
    if (!before.head() ||
        std::ranges::find(before.head()->revoked_keys, key) == before.head()->revoked_keys.end())
      revoked.emplace_back(to_hex(key.bytes()));
  if (!revoked.empty()) detail["revoked_keys"] = std::move(revoked);
  return boost::json::serialize(detail);
}

}  // namespace

Result<TrustService::Accepted> TrustService::replace_targets(Bytes signed_head,
                                                             std::vector<ByteVector> entries,
                                                             const std::string& actor) {
  const std::scoped_lock replacing(replace_mutex_);
  const auto old = view();
  const trust::HeadInForce in_force = in_force_of(*old);
  const std::uint64_t now = clock_.now_unix_s();
  MPYD_TRY_ASSIGN(const trust::TargetsHead head,
                  check_head(old->root(), in_force, signed_head, now));
  const Accepted accepted{head.epoch, head.version};
  if (head.epoch == in_force.epoch && head.version == in_force.version) {
    MPYD_TRY(check_entries(head, std::move(entries)));
    return accepted;
  }
  MPYD_TRY_ASSIGN(const auto fresh,
                  TrustView::make(old->roots(), to_vector(signed_head), std::move(entries)));
  std::vector<TrustStore::NewEntry> rows;
  for (std::size_t i = 0; i < fresh->entries().size(); ++i)
    rows.push_back({fresh->entries().entry(i).hardware_id.view(), fresh->entries().bytes(i)});
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY(tx.trust().replace_targets({head.epoch, head.version, signed_head}, rows));
    return tx.audit().append(
        {now, actor, "targets",
         "epoch " + std::to_string(head.epoch) + " version " + std::to_string(head.version),
         changes_text(*old, *fresh)});
  });
  MPYD_TRY(written);
  const std::scoped_lock lock(view_mutex_);
  view_ = fresh;
  return accepted;
}

Result<TrustService::AcceptedRoot> TrustService::add_root(Bytes signed_root,
                                                          const std::string& actor,
                                                          const WithRoot& with_root) {
  const std::scoped_lock replacing(replace_mutex_);
  const auto old = view();
  MPYD_TRY_ASSIGN(const trust::SignedDocument document,
                  lift(trust::parse_signed(signed_root), "root document"));
  MPYD_TRY_ASSIGN(const trust::Root claimed,
                  lift(trust::parse_root(document.body), "root document"));
  if (claimed.version <= old->root().version) {
    if (trust::body_digest(old->roots()[claimed.version - 1]) == trust::body_digest(signed_root))
      return AcceptedRoot{claimed, true};
    return fail(Errc::equivocation, "another root of version " + std::to_string(claimed.version) +
                                        " is in force; the next one is version " +
                                        std::to_string(old->root().version + 1));
  }
  std::vector<std::byte> scratch(trust::kScratchBytes);
  MPYD_TRY_ASSIGN(const trust::Root next,
                  lift(trust::verify_next_root(old->root(), signed_root, scratch),
                       "root version " + std::to_string(claimed.version)));
  const std::uint64_t now = clock_.now_unix_s();
  if (trust::has_expired(next.expires_unix_s, now))
    return fail(Errc::expired, "root version " + std::to_string(next.version) + " has expired");
  MPYD_TRY_ASSIGN(const auto fresh, view_with(*old, signed_root));
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const std::string detail, with_root(tx, next));
    MPYD_TRY(tx.trust().add_root(next.version, signed_root));
    return tx.audit().append(
        {now, actor, "root",
         "version " + std::to_string(next.version) + " epoch " + std::to_string(next.targets_epoch),
         detail});
  });
  MPYD_TRY(written);
  const std::scoped_lock lock(view_mutex_);
  view_ = fresh;
  return AcceptedRoot{next, false};
}

}  // namespace mpyd::server
