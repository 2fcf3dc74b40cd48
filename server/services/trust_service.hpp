// The trust documents in force: served to devices and clients, replaced by the operator.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "protocol/trust/documents.hpp"
#include "server/services/documents.hpp"
#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

// One consistent state of trust. Never changes once made; shared by readers.
class TrustView {
 public:
  // Verifies all of it by the devices' own rules; expiry is left to whoever uses it.
  static Result<std::shared_ptr<const TrustView>> make(std::vector<ByteVector> roots,
                                                       ByteVector head,
                                                       std::vector<ByteVector> entries);

  const std::vector<ByteVector>& roots() const { return roots_; }  // from version 1, signed
  const trust::Root& root() const { return root_; }                // the newest
  const std::string& root_fingerprint() const { return root_fingerprint_; }  // of version 1
  const ByteVector& head_document() const { return head_document_; }  // signed; empty: none yet
  const std::optional<trust::TargetsHead>& head() const { return head_; }
  const EntrySet& entries() const { return entries_; }

  // What a root of a new epoch ended: served until a new head comes, so that operators may see what
  // was in force. Empty otherwise.
  const ByteVector& ended_head() const { return ended_head_; }
  const std::vector<ByteVector>& ended_entries() const { return ended_entries_; }

  // The serialised EntryProof of a hardware ID, computed once. Errors: not_found.
  Result<ByteVector> proof(const HardwareId& hardware_id) const;

 private:
  TrustView() = default;

  std::vector<ByteVector> roots_;
  trust::Root root_;
  std::string root_fingerprint_;
  ByteVector head_document_;
  std::optional<trust::TargetsHead> head_;
  EntrySet entries_;
  ByteVector ended_head_;
  std::vector<ByteVector> ended_entries_;
  mutable std::mutex proofs_mutex_;
  mutable std::map<HardwareId, ByteVector> proofs_;  // at most one per entry
};

class TrustService {
 public:
  // Loads and verifies what is stored; call before anything else.
  Result<void> load();
  TrustService(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Never null after load().
  std::shared_ptr<const TrustView> view() const;

  // When the head in force expired; none: it has not. Motherboards that know the time take nothing
  // under an expired one.
  std::optional<std::uint64_t> expired_unix_s() const;

  struct Accepted {
    std::uint32_t epoch = 0;
    std::uint32_t version = 0;
  };
  // Puts a new head and all its entries in force. The same head again is a success.
  // Errors: those of trust::verify_head, bad_digest (the entries are not what was signed),
  // equivocation (another head of the version in force), those of EntrySet::make.
  Result<Accepted> replace_targets(Bytes signed_head, std::vector<ByteVector> entries,
                                   const std::string& actor);

  // What else is written with a new root, and its audit detail (a JSON object). Called inside the
  // transaction, before the root is added; its failure undoes all.
  using WithRoot = std::function<Result<std::string>(Transaction&, const trust::Root& next)>;
  struct AcceptedRoot {
    trust::Root root;
    bool existed = false;  // the same root was there; nothing was written
  };
  // Puts root N+1 in force. Errors: those of trust::verify_next_root, expired, equivocation (that
  // version is in force with another body), rollback, conflict (targets change without a new
  // epoch), those of `with_root`.
  Result<AcceptedRoot> add_root(Bytes signed_root, const std::string& actor,
                                const WithRoot& with_root);

 private:
  Store& store_;
  const Clock& clock_;
  std::mutex replace_mutex_;  // one replacement at a time, from check to commit
  mutable std::mutex view_mutex_;
  std::shared_ptr<const TrustView> view_;
};

}  // namespace mpyd::server
