#include "server/services/documents.hpp"

#include <algorithm>

#include "mpyd/v1/trust.pb.h"
#include "protocol/trust/merkle.hpp"
#include "protocol/trust/verify.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

// libprotobuf writes known fields in the order of their numbers, and maps do not occur in these
// messages: the same values give the same bytes.
template <class Message>
ByteVector serialise(const Message& message) {
  ByteVector out(message.ByteSizeLong());
  message.SerializeToArray(out.data(), static_cast<int>(out.size()));
  return out;
}

template <class Fixed>
std::string text_of(const Fixed& value) {
  return std::string(as_text(value.bytes()));
}

void fill_role(const trust::RoleKeys& role, v1::RoleKeys& out) {
  for (const SigningKey& key : role.keys) out.add_keys(text_of(key));
  out.set_threshold(role.threshold);
}

}  // namespace

Result<ByteVector> format_root(const trust::Root& root) {
  v1::Root message;
  message.set_format(kFormat);
  message.set_version(root.version);
  fill_role(root.root, *message.mutable_root());
  fill_role(root.targets, *message.mutable_targets());
  message.set_server_key(text_of(root.server_key));
  message.set_targets_epoch(root.targets_epoch);
  message.set_expires_unix_s(root.expires_unix_s);
  ByteVector out = serialise(message);
  MPYD_TRY(lift(trust::parse_root(out), "root document"));
  return out;
}

Result<ByteVector> format_head(const trust::TargetsHead& head) {
  v1::TargetsHead message;
  message.set_format(kFormat);
  message.set_epoch(head.epoch);
  message.set_version(head.version);
  message.set_expires_unix_s(head.expires_unix_s);
  for (const SigningKey& key : head.revoked_keys) message.add_revoked_keys(text_of(key));
  message.set_merkle_root(text_of(head.merkle_root));
  message.set_entry_count(head.entry_count);
  ByteVector out = serialise(message);
  MPYD_TRY(lift(trust::parse_head(out), "targets head"));
  return out;
}

Result<ByteVector> format_entry(const trust::PolicyEntry& entry) {
  // A motherboard from before this rule refuses for want of an approval.
  if (entry.board_refused &&
      (entry.mode != trust::ReleaseMode::approved_only || !entry.approved_digests.empty()))
    return fail(Errc::invalid_argument, "nothing can be approved for " +
                                            std::string(entry.hardware_id.view()) +
                                            ": the operator refuses this board");
  v1::PolicyEntry message;
  message.set_format(kFormat);
  message.set_hardware_id(std::string(entry.hardware_id.view()));
  message.set_driver_name(std::string(entry.driver_name.view()));
  for (const SigningKey& key : entry.publisher_keys) message.add_publisher_keys(text_of(key));
  message.set_threshold(entry.threshold);
  message.set_floor_release(entry.floor_release);
  for (const Digest& digest : entry.revoked_digests) message.add_revoked_digests(text_of(digest));
  message.set_mode(static_cast<std::uint32_t>(entry.mode));
  for (const Digest& digest : entry.approved_digests) message.add_approved_digests(text_of(digest));
  message.set_eeprom_packages(entry.eeprom_packages ? 1 : 0);
  for (const Digest& digest : entry.pinned_digests) message.add_pinned_digests(text_of(digest));
  message.set_unchecked_packages(entry.unchecked_packages ? 1 : 0);
  message.set_board_refused(entry.board_refused ? 1 : 0);
  ByteVector out = serialise(message);
  MPYD_TRY(lift(trust::parse_entry(out), "policy entry"));
  return out;
}

Result<ByteVector> unsigned_document(Bytes body) {
  v1::SignedDocument document;
  document.set_body(std::string(as_text(body)));
  ByteVector out = serialise(document);
  MPYD_TRY(lift(trust::parse_signed(out), "document"));
  return out;
}

Result<ByteVector> add_signatures(Bytes document, std::string_view prefix, Signers signers) {
  MPYD_TRY_ASSIGN(const trust::SignedDocument before,
                  lift(trust::parse_signed(document), "signed document"));
  ByteVector message = to_vector(as_bytes(prefix));
  message.insert(message.end(), before.body.begin(), before.body.end());
  v1::SignedDocument after;
  after.set_body(std::string(as_text(before.body)));
  const auto add = [&](const SigningKey& key, const SignatureBytes& signature) {
    v1::Signature& place = *after.add_signatures();
    place.set_key(text_of(key));
    place.set_signature(text_of(signature));
  };
  const auto signs = [&](const SigningKey& key) {
    return std::ranges::any_of(
        signers, [&](const SigningKeyPair* signer) { return signer->public_key == key; });
  };
  for (const trust::DocumentSignature& old : before.signatures)
    if (!signs(old.key)) add(old.key, old.signature);
  for (const SigningKeyPair* signer : signers) add(signer->public_key, signer->sign(message));
  if (after.signatures_size() > static_cast<int>(kDocumentSignaturesMax))
    return fail(Errc::limit, "a document has at most 8 signatures");
  ByteVector out = serialise(after);
  MPYD_TRY(lift(trust::parse_signed(out), "signed document"));
  return out;
}

Result<std::uint32_t> count_signatures(Bytes document, std::string_view prefix,
                                       const trust::RoleKeys& role) {
  MPYD_TRY_ASSIGN(const trust::SignedDocument parsed,
                  lift(trust::parse_signed(document), "signed document"));
  std::array<std::byte, trust::kScratchBytes> scratch{};
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < role.keys.size(); ++i) {
    if (std::find(role.keys.begin(), role.keys.begin() + i, role.keys[i]) != role.keys.begin() + i)
      continue;
    trust::RoleKeys one{.threshold = 1};
    one.keys.push_back(role.keys[i]);
    count += trust::verify_threshold(parsed, prefix, one, scratch).has_value() ? 1 : 0;
  }
  return count;
}

Result<ByteVector> sign_document(Bytes body, std::string_view prefix, Signers signers) {
  if (signers.empty() || signers.size() > kDocumentSignaturesMax)
    return fail(Errc::invalid_argument, "a document is signed by 1 to 8 keys");
  ByteVector message = to_vector(as_bytes(prefix));
  message.insert(message.end(), body.begin(), body.end());
  v1::SignedDocument document;
  document.set_body(std::string(as_text(body)));
  for (std::size_t i = 0; i < signers.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j)
      if (signers[i]->public_key == signers[j]->public_key)
        return fail(Errc::invalid_argument, "the same key was given twice to sign a document");
    v1::Signature& signature = *document.add_signatures();
    signature.set_key(text_of(signers[i]->public_key));
    signature.set_signature(text_of(signers[i]->sign(message)));
  }
  ByteVector out = serialise(document);
  MPYD_TRY(lift(trust::parse_signed(out), "signed document"));
  return out;
}

Result<ByteVector> sign_root(const trust::Root& root, Signers signers) {
  MPYD_TRY_ASSIGN(const ByteVector body, format_root(root));
  return sign_document(body, trust::kRootPrefix, signers);
}

Result<EntrySet> EntrySet::make(std::vector<ByteVector> entries) {
  EntrySet out;
  out.entries_.reserve(entries.size());
  for (ByteVector& bytes : entries) {
    MPYD_TRY_ASSIGN(trust::PolicyEntry entry, lift(trust::parse_entry(bytes), "policy entry"));
    const Digest leaf = trust::merkle_leaf(bytes);
    out.entries_.push_back({std::move(bytes), entry, leaf});
  }
  std::ranges::sort(out.entries_, [](const Item& a, const Item& b) {
    return a.entry.hardware_id < b.entry.hardware_id;
  });
  for (std::size_t i = 1; i < out.entries_.size(); ++i)
    if (out.entries_[i].entry.hardware_id == out.entries_[i - 1].entry.hardware_id)
      return fail(Errc::conflict,
                  "two policy entries of " + std::string(out.entries_[i].entry.hardware_id.view()));
  return out;
}

// Where the entry of `hardware_id` is, or would be.
std::size_t EntrySet::position(const HardwareId& hardware_id) const {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), hardware_id,
      [](const Item& item, const HardwareId& id) { return item.entry.hardware_id < id; });
  return static_cast<std::size_t>(at - entries_.begin());
}

Result<void> EntrySet::put(const trust::PolicyEntry& entry) {
  MPYD_TRY_ASSIGN(ByteVector bytes, format_entry(entry));
  const Digest leaf = trust::merkle_leaf(bytes);
  Item item{std::move(bytes), entry, leaf};
  const std::size_t at = position(entry.hardware_id);
  if (find(entry.hardware_id) != nullptr)
    entries_[at] = std::move(item);
  else
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(at), std::move(item));
  return {};
}

const trust::PolicyEntry* EntrySet::find(const HardwareId& hardware_id) const {
  const std::size_t at = position(hardware_id);
  if (at == entries_.size() || entries_[at].entry.hardware_id != hardware_id) return nullptr;
  return &entries_[at].entry;
}

const ByteVector* EntrySet::find_bytes(const HardwareId& hardware_id) const {
  return find(hardware_id) == nullptr ? nullptr : &entries_[position(hardware_id)].bytes;
}

std::vector<Digest> EntrySet::leaves() const {
  std::vector<Digest> out;
  out.reserve(entries_.size());
  for (const Item& item : entries_) out.push_back(item.leaf);
  return out;
}

Digest EntrySet::merkle_root() const { return trust::merkle_root(leaves()); }

Result<ByteVector> EntrySet::proof(const HardwareId& hardware_id) const {
  if (find(hardware_id) == nullptr)
    return fail(Errc::not_found, "there is no policy entry of " + std::string(hardware_id.view()));
  const std::size_t at = position(hardware_id);
  v1::EntryProof message;
  message.set_entry(std::string(as_text(entries_[at].bytes)));
  message.set_index(static_cast<std::uint32_t>(at));
  for (const Digest& digest : trust::merkle_proof(leaves(), at)) message.add_path(text_of(digest));
  ByteVector out = serialise(message);
  MPYD_TRY(lift(trust::parse_proof(out), "entry proof"));
  return out;
}

Result<ByteVector> sign_head(trust::TargetsHead head, const EntrySet& entries, Signers signers) {
  head.merkle_root = entries.merkle_root();
  head.entry_count = static_cast<std::uint32_t>(entries.size());
  MPYD_TRY_ASSIGN(const ByteVector body, format_head(head));
  return sign_document(body, trust::kTargetsPrefix, signers);
}

Result<trust::Root> walk_roots(std::span<const ByteVector> roots) {
  if (roots.empty()) return fail(Errc::not_found, "there is no root document");
  if (roots.size() > kRootsMax)
    return fail(Errc::limit, "too many root documents: " + std::to_string(roots.size()));
  std::array<std::byte, trust::kScratchBytes> scratch{};
  MPYD_TRY_ASSIGN(trust::Root root,
                  lift(trust::verify_first_root(roots[0], scratch), "pinned root document"));
  for (const ByteVector& next : roots.subspan(1)) {
    MPYD_TRY_ASSIGN(root, lift(trust::verify_next_root(root, next, scratch),
                               "root document " + std::to_string(root.version + 1)));
  }
  return root;
}

Result<std::string> root_fingerprint(Bytes signed_root) {
  MPYD_TRY(trust::parse_signed(signed_root));
  return to_hex(trust::body_digest(signed_root).bytes());
}

}  // namespace mpyd::server
