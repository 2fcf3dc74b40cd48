#include "device-agent/core/trust_store.hpp"

#include "device-agent/core/cache.hpp"
#include "mpyd/v1/identity.npb.h"
#include "protocol/in_place.hpp"
#include "protocol/nanopb_io.hpp"

namespace mpyd::agent {
namespace {

constexpr const char* kRootFile = "root";
constexpr const char* kHeadFile = "head";

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

// 0: it never expires, or nobody knows the time.
bool is_over(std::uint64_t expires_unix_s, std::uint64_t now_unix_s) {
  return expires_unix_s != 0 && now_unix_s != 0 && now_unix_s >= expires_unix_s;
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

Result<Bytes> TrustStore::read_own(const char* name, MutableBytes buffer) const {
  MPYD_TRY_ASSIGN(const Bytes file, read_file(*store_, name, buffer));
  if (file.size() < kSealBytes) return fail(Errc::truncated);
  const Bytes content = file.first(file.size() - kSealBytes);
  if (!crypto::equal(seal_of(name, content).bytes(), file.last(kSealBytes)))
    return fail(Errc::decryption);
  return content;
}

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
  MPYD_TRY(take_first_root(provisioned_root, 0, scratch));
  head_ = {};
  const auto kept_bytes = read_own(kRootFile, buffer);
  if (kept_bytes) {
    // What we kept and sealed was walked to from a provisioned root, link by link.
    (void)take_first_root(*kept_bytes, root_.version, scratch);
  } else if (kept_bytes.error() == Errc::memory) {
    return fail(Errc::memory);
  }
  const auto kept_head = read_file(*store_, kHeadFile, buffer);
  if (!kept_head && kept_head.error() == Errc::memory) return fail(Errc::memory);
  use_kept_head(kept_head, scratch);
  return {};
}

// A root that stands by itself, if it is newer than `version`.
Result<void> TrustStore::take_first_root(Bytes signed_root, std::uint32_t version,
                                         MutableBytes scratch) {
  const auto root = trust::verify_first_root(signed_root, scratch);
  if (!root) return fail(root.error());
  if (root->version > version) set_root(*root);
  return {};
}

void TrustStore::use_kept_head(const Result<Bytes>& bytes, MutableBytes scratch) {
  if (!bytes) return;
  // Expiry is judged when an entry is used: an expired head still is a lower bound for versions.
  const auto head = trust::verify_head(root_, {}, *bytes, 0, scratch);
  if (!head) return;
  head_ = *head;
  head_digest_ = trust::body_digest(*bytes);
}

Result<void> TrustStore::accept_root(Bytes signed_root, MutableBytes buffer, MutableBytes scratch) {
  const auto next = trust::verify_next_root(root_, signed_root, scratch);
  if (!next) return fail(next.error());
  copy_bytes(signed_root, scratch);
  // Kept while keys of the new root still vouch for it: versions must not go back within an epoch.
  // Read first: what a lack of memory hides now would be forgotten.
  const auto kept_head = read_file(*store_, kHeadFile, buffer);
  if (!kept_head && kept_head.error() == Errc::memory) return fail(Errc::memory);
  MPYD_TRY(write_own(kRootFile, scratch, signed_root.size()));
  set_root(*next);
  head_ = {};
  use_kept_head(kept_head, scratch);
  return {};
}

Result<bool> TrustStore::accept_head(Bytes signed_head, std::uint64_t now_unix_s,
                                     MutableBytes scratch) {
  if (is_over(root_.expires_unix_s, now_unix_s)) return fail(Errc::expired);
  const auto head =
      trust::verify_head(root_, {head_.epoch, head_.version}, signed_head, now_unix_s, scratch);
  if (!head) return fail(head.error());
  const Digest digest = trust::body_digest(signed_head);
  if (has_head() && head->version == head_.version) {
    if (digest != head_digest_) return fail(Errc::equivocation);
    return false;
  }
  MPYD_TRY(store_->write(kHeadFile, signed_head));
  head_ = *head;
  head_digest_ = digest;
  return true;
}

Result<void> TrustStore::accept_entry(const trust::EntryProof& proof, const HardwareId& hardware_id,
                                      MutableBytes buffer) {
  if (!has_head()) return fail(Errc::untrusted);
  MPYD_TRY(trust::verify_entry(head_, proof, hardware_id));
  mpyd_v1_SavedEntry m{};
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
  return made_in_place<trust::PolicyEntry>(
      [&](trust::PolicyEntry& out) { return load_entry(hardware_id, now_unix_s, buffer, out); });
}

Result<void> TrustStore::load_entry(const HardwareId& hardware_id, std::uint64_t now_unix_s,
                                    MutableBytes buffer, trust::PolicyEntry& out) {
  const auto file = read_own(entry_file(hardware_id).c_str(), buffer);
  if (!file)
    return fail(file.error() == Errc::io || file.error() == Errc::memory ? file.error()
                                                                         : Errc::untrusted);
  Bytes entry_bytes;
  mpyd_v1_SavedEntry m{};
  pb::want_view(m.entry, entry_bytes);
  MPYD_TRY(pb::decode(*file, mpyd_v1_SavedEntry_fields, m));
  MPYD_TRY(pb::check_format(m.format, 0));
  if (!has_head() || !same_bytes(pb::view_of(m.authority), authority_.bytes()))
    return fail(Errc::untrusted);
  if (is_over(m.head_expires_unix_s, now_unix_s) || is_over(root_.expires_unix_s, now_unix_s))
    return fail(Errc::expired);
  MPYD_TRY(trust::read_entry(entry_bytes, out));
  return out.hardware_id == hardware_id ? Result<void>{} : fail(Errc::untrusted);
}

std::uint64_t TrustStore::proof_of(const FileName& entry_file, MutableBytes buffer) const {
  const auto file = read_own(entry_file.c_str(), buffer);
  mpyd_v1_SavedEntry m{};
  m.entry.funcs.decode = pb::skip;
  if (!file || !pb::decode(*file, mpyd_v1_SavedEntry_fields, m) ||
      !same_bytes(pb::view_of(m.authority), authority_.bytes()))
    return 0;
  return std::uint64_t{m.epoch} << 32 | m.head_version;
}

}  // namespace mpyd::agent
