#include "device-agent/core/trust_store.hpp"

#include "device-agent/core/cache.hpp"
#include "mpyd/v1/identity.npb.h"
#include "protocol/nanopb_io.hpp"

namespace mpyd::agent {
namespace {

constexpr const char* kRootFile = "root";
constexpr const char* kHeadFile = "head";

// A whole small file. Errors: not_found, io, limit.
Result<Bytes> read_file(Store& store, const char* name, MutableBytes buffer) {
  MPYD_TRY_ASSIGN(const std::uint32_t size, store.size(name));
  if (size > buffer.size()) return fail(Errc::limit);
  MPYD_TRY(store.read(name, 0, buffer.first(size)));
  return Bytes(buffer.first(size));
}

// A sealed file: content || seal.
constexpr std::size_t kSealBytes = Digest::kSize;

Digest authority_of(const trust::Root& root) {
  std::array<std::byte, 8> numbers{};
  store_le32(numbers, 0, root.targets_epoch);
  store_le32(numbers, 4, root.targets.threshold);
  crypto::Sha256 hash;
  hash.update(numbers);
  for (const SigningKey& key : root.targets.keys) hash.update(key.bytes());
  return hash.finish();
}

}  // namespace

void TrustStore::set_device_secret(const SecretKey& secret) {
  crypto::Sha256 hash;
  hash.update(as_bytes("mpyd state v1"));
  hash.update(secret.bytes());
  const Digest key = hash.finish();
  copy_bytes(key.bytes(), seal_key_.mutable_bytes());
}

// NMAC over SHA-256: the inner hash alone could be extended. The name keeps files from changing
// places.
Digest TrustStore::seal_of(const char* name, Bytes content) const {
  const std::string_view text(name);
  const std::byte end{0};
  crypto::Sha256 inner;
  inner.update(seal_key_.bytes());
  inner.update(as_bytes(text));
  inner.update({&end, 1});
  inner.update(content);
  const Digest digest = inner.finish();
  crypto::Sha256 outer;
  outer.update(seal_key_.bytes());
  outer.update(digest.bytes());
  return outer.finish();
}

// Errors: not_found, io, limit, truncated; decryption if this device did not write it.
Result<Bytes> TrustStore::read_own(const char* name, MutableBytes buffer) const {
  MPYD_TRY_ASSIGN(const Bytes file, read_file(*store_, name, buffer));
  if (file.size() < kSealBytes) return fail(Errc::truncated);
  const Bytes content = file.first(file.size() - kSealBytes);
  if (!crypto::equal(seal_of(name, content).bytes(), file.last(kSealBytes)))
    return fail(Errc::decryption);
  return content;
}

// The content lies at the front of `buffer`. Errors: limit, io.
Result<void> TrustStore::write_own(const char* name, MutableBytes buffer,
                                   std::size_t content_bytes) {
  if (buffer.size() < content_bytes + kSealBytes) return fail(Errc::limit);
  const Digest seal = seal_of(name, buffer.first(content_bytes));
  copy_bytes(seal.bytes(), buffer.subspan(content_bytes));
  return write_if_changed(*store_, name, buffer.first(content_bytes + kSealBytes));
}

void TrustStore::set_root(const trust::Root& root) {
  root_ = root;
  authority_ = authority_of(root);
}

Result<void> TrustStore::start(Bytes provisioned_root, MutableBytes buffer, MutableBytes scratch) {
  MPYD_TRY_ASSIGN(const trust::Root provisioned,
                  trust::verify_first_root(provisioned_root, scratch));
  set_root(provisioned);
  head_ = {};
  if (const auto kept_bytes = read_own(kRootFile, buffer)) {
    // What we kept and sealed was walked to from a provisioned root, link by link.
    const auto kept = trust::verify_first_root(*kept_bytes, scratch);
    if (kept && kept->version > provisioned.version) set_root(*kept);
  }
  load_kept_head(buffer, scratch);
  return {};
}

void TrustStore::load_kept_head(MutableBytes buffer, MutableBytes scratch) {
  const auto bytes = read_file(*store_, kHeadFile, buffer);
  if (!bytes) return;
  // Expiry is judged when an entry is used: an expired head still is a lower bound for versions.
  const auto head = trust::verify_head(root_, {}, *bytes, 0, scratch);
  if (!head) return;
  head_ = *head;
  head_digest_ = crypto::sha256(trust::parse_signed(*bytes)->body);
}

Result<void> TrustStore::accept_root(Bytes signed_root, MutableBytes buffer, MutableBytes scratch) {
  MPYD_TRY_ASSIGN(const trust::Root next, trust::verify_next_root(root_, signed_root, scratch));
  copy_bytes(signed_root, scratch);
  MPYD_TRY(write_own(kRootFile, scratch, signed_root.size()));
  set_root(next);
  // Kept while keys of the new root still vouch for it: versions must not go back within an epoch.
  head_ = {};
  load_kept_head(buffer, scratch);
  return {};
}

Result<bool> TrustStore::accept_head(Bytes signed_head, std::uint64_t now_unix_s,
                                     MutableBytes scratch) {
  MPYD_TRY_ASSIGN(
      const trust::TargetsHead head,
      trust::verify_head(root_, {head_.epoch, head_.version}, signed_head, now_unix_s, scratch));
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(signed_head));
  const Digest digest = crypto::sha256(document.body);
  if (has_head() && head.version == head_.version) {
    if (digest != head_digest_) return fail(Errc::equivocation);
    return false;
  }
  MPYD_TRY(store_->write(kHeadFile, signed_head));
  head_ = head;
  head_digest_ = digest;
  return true;
}

Result<void> TrustStore::accept_entry(const trust::EntryProof& proof, const HardwareId& hardware_id,
                                      MutableBytes buffer) {
  if (!has_head()) return fail(Errc::untrusted);
  MPYD_TRY(trust::verify_entry(head_, proof, hardware_id));
  mpyd_v1_SavedEntry m = mpyd_v1_SavedEntry_init_zero;
  m.format = kFormat;
  m.epoch = head_.epoch;
  m.head_version = head_.version;
  m.head_expires_unix_s = head_.expires_unix_s;
  pb::assign(m.authority, authority_.bytes());
  pb::give_view(m.entry, proof.entry);
  MPYD_TRY_ASSIGN(const std::size_t size, pb::encode(m, mpyd_v1_SavedEntry_fields, buffer));
  return write_own(entry_file(hardware_id).c_str(), buffer, size);
}

Result<trust::PolicyEntry> TrustStore::load_entry(const HardwareId& hardware_id,
                                                  std::uint64_t now_unix_s, MutableBytes buffer) {
  const auto file = read_own(entry_file(hardware_id).c_str(), buffer);
  if (!file) return fail(file.error() == Errc::io ? Errc::io : Errc::untrusted);
  Bytes entry_bytes;
  mpyd_v1_SavedEntry m = mpyd_v1_SavedEntry_init_zero;
  pb::want_view(m.entry, entry_bytes);
  MPYD_TRY(pb::decode(*file, mpyd_v1_SavedEntry_fields, m));
  MPYD_TRY(pb::check_format(m.format, 0));
  if (!has_head() || !same_bytes(pb::view_of(m.authority), authority_.bytes()))
    return fail(Errc::untrusted);
  if (now_unix_s != 0 && m.head_expires_unix_s != 0 && now_unix_s >= m.head_expires_unix_s)
    return fail(Errc::expired);
  MPYD_TRY_ASSIGN(const trust::PolicyEntry entry, trust::parse_entry(entry_bytes));
  if (entry.hardware_id != hardware_id) return fail(Errc::untrusted);
  return entry;
}

}  // namespace mpyd::agent
