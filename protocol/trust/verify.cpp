#include "protocol/trust/verify.hpp"

#include "protocol/crypto.hpp"
#include "protocol/in_place.hpp"
#include "protocol/package/key_block.hpp"
#include "protocol/trust/merkle.hpp"

namespace mpyd::trust {
namespace {

// prefix || body, contiguous, because Ed25519 reads its message twice.
Result<Bytes> join(std::string_view prefix, Bytes body, MutableBytes scratch) {
  if (prefix.size() + body.size() > scratch.size()) return fail(Errc::limit);
  copy_bytes(as_bytes(prefix), scratch);
  copy_bytes(body, scratch.subspan(prefix.size()));
  return Bytes(scratch.first(prefix.size() + body.size()));
}

template <class Range, class Value>
bool contains(const Range& range, const Value& value) {
  for (const auto& item : range)
    if (item == value) return true;
  return false;
}

// Is `keys[index]` the first of its value? Two entries of one key count as one.
template <class Keys>
bool is_first(const Keys& keys, std::size_t index) {
  for (std::size_t i = 0; i < index; ++i)
    if (keys[i] == keys[index]) return false;
  return true;
}

bool signed_by(const SignedDocument& document, const SigningKey& key, Bytes message) {
  for (const DocumentSignature& s : document.signatures)
    if (s.key == key && crypto::verify_ed25519(message, s.signature, key)) return true;
  return false;
}

Result<void> enough(std::uint32_t valid, std::uint32_t threshold) {
  if (valid >= threshold) return {};
  return fail(valid == 0 ? Errc::bad_signature : Errc::threshold);
}

}  // namespace

Result<void> verify_threshold(const SignedDocument& document, std::string_view prefix,
                              const RoleKeys& role, MutableBytes scratch) {
  MPYD_TRY_ASSIGN(const Bytes message, join(prefix, document.body, scratch));
  std::uint32_t valid = 0;
  for (std::size_t i = 0; i < role.keys.size() && valid < role.threshold; ++i)
    if (is_first(role.keys, i) && signed_by(document, role.keys[i], message)) ++valid;
  return enough(valid, role.threshold);
}

Result<Root> verify_first_root(Bytes signed_root, MutableBytes scratch) {
  return made_in_place<Root>([&](Root& root) -> Result<void> {
    SignedDocument document;
    MPYD_TRY(read_signed(signed_root, document));
    MPYD_TRY(read_root(document.body, root));
    return verify_threshold(document, kRootPrefix, root.root, scratch);
  });
}

Result<Root> verify_next_root(const Root& current, Bytes signed_root, MutableBytes scratch) {
  return made_in_place<Root>([&](Root& next) -> Result<void> {
    SignedDocument document;
    MPYD_TRY(read_signed(signed_root, document));
    MPYD_TRY(verify_threshold(document, kRootPrefix, current.root, scratch));
    MPYD_TRY(read_root(document.body, next));
    MPYD_TRY(verify_threshold(document, kRootPrefix, next.root, scratch));
    if (next.version != current.version + 1 || next.targets_epoch < current.targets_epoch)
      return fail(Errc::rollback);
    return {};
  });
}

Digest body_digest(Bytes signed_document) {
  SignedDocument document;
  return read_signed(signed_document, document) ? crypto::sha256(document.body) : Digest{};
}

Result<TargetsHead> verify_head(const Root& root, HeadInForce in_force, Bytes signed_head,
                                std::uint64_t now_unix_s, MutableBytes scratch) {
  return made_in_place<TargetsHead>([&](TargetsHead& head) -> Result<void> {
    SignedDocument document;
    MPYD_TRY(read_signed(signed_head, document));
    MPYD_TRY(verify_threshold(document, kTargetsPrefix, root.targets, scratch));
    MPYD_TRY(read_head(document.body, head));
    if (head.epoch != root.targets_epoch) return fail(Errc::rollback);
    const bool is_same_epoch = head.epoch == in_force.epoch;
    if (is_same_epoch && head.version < in_force.version) return fail(Errc::rollback);
    if (is_same_epoch && head.version == in_force.version && !in_force.body_digest.is_zero() &&
        crypto::sha256(document.body) != in_force.body_digest)
      return fail(Errc::equivocation);
    if (now_unix_s != 0 && has_expired(head.expires_unix_s, now_unix_s)) return fail(Errc::expired);
    return {};
  });
}

Result<PolicyEntry> verify_entry(const TargetsHead& head, const EntryProof& proof,
                                 const HardwareId& hardware_id) {
  return made_in_place<PolicyEntry>([&](PolicyEntry& entry) -> Result<void> {
    if (proof.entry.size() > kEntryBytesMax) return fail(Errc::limit);
    const std::span<const Digest> path(proof.path.begin(), proof.path.size());
    if (!merkle_includes(merkle_leaf(proof.entry), proof.index, head.entry_count, path,
                         head.merkle_root))
      return fail(Errc::untrusted);
    MPYD_TRY(read_entry(proof.entry, entry));
    return entry.hardware_id == hardware_id ? Result<void>{} : fail(Errc::untrusted);
  });
}

namespace {

// Publisher signatures: keys the entry names, not revoked, each counted once.
Result<void> verify_publishers(const PackageHead& head, const PolicyEntry& entry,
                               std::span<const SigningKey> revoked_keys, MutableBytes scratch) {
  MPYD_TRY_ASSIGN(const Bytes message, join(kManifestPrefix, head.manifest_bytes, scratch));
  std::uint32_t valid = 0;
  bool names_known_key = false;
  bool names_revoked_key = false;
  for (std::size_t i = 0; i < entry.publisher_keys.size(); ++i) {
    const SigningKey& key = entry.publisher_keys[i];
    if (!is_first(entry.publisher_keys, i)) continue;
    const KeyId id = key_id(key.bytes());
    for (const PackageSignature& s : head.signatures) {
      if (s.key_id != id) continue;
      if (contains(revoked_keys, key)) {
        names_revoked_key = true;
        break;
      }
      names_known_key = true;
      if (!crypto::verify_ed25519(message, s.signature, key)) continue;
      ++valid;
      break;
    }
  }
  if (valid >= entry.threshold) return {};
  if (names_revoked_key) return fail(Errc::revoked);
  if (!names_known_key) return fail(Errc::untrusted);
  return enough(valid, entry.threshold);
}

}  // namespace

Result<void> verify_release(const PackageHead& head, const PolicyEntry& entry,
                            std::span<const SigningKey> revoked_keys, const HardwareId& hardware_id,
                            std::uint32_t revision, PackageOrigin origin, MutableBytes scratch) {
  const Manifest& manifest = head.manifest;
  MPYD_TRY(verify_publishers(head, entry, revoked_keys, scratch));
  if (manifest.hardware_id != hardware_id || entry.hardware_id != hardware_id ||
      revision < manifest.revision_min || revision > manifest.revision_max)
    return fail(Errc::wrong_hardware);
  if (manifest.driver_name != entry.driver_name) return fail(Errc::untrusted);
  if (manifest.release < entry.floor_release) return fail(Errc::rollback);
  if (origin == PackageOrigin::eeprom && !entry.eeprom_packages) return fail(Errc::policy);
  return {};
}

Result<void> verify_digest_policy(const Digest& digest, const PolicyEntry& entry) {
  if (contains(entry.revoked_digests, digest)) return fail(Errc::revoked);
  if (entry.mode == ReleaseMode::approved_only && !contains(entry.approved_digests, digest))
    return fail(Errc::policy);
  if (!entry.pinned_digests.empty() && !contains(entry.pinned_digests, digest))
    return fail(Errc::policy);
  return {};
}

std::string_view describe_refusal(Errc error) {
  switch (error) {
    case Errc::untrusted:
      return "it is signed by no publisher whom the policy entry names";
    case Errc::threshold:
      return "too few of the publishers whom the policy entry names signed it";
    case Errc::revoked:
      return "its publisher's key, or the package itself, was revoked";
    case Errc::rollback:
      return "its release number is below the policy entry's floor";
    case Errc::policy:
      return "the policy entry does not approve it, or allows no packages from there";
    default:
      return describe(error);
  }
}

}  // namespace mpyd::trust
