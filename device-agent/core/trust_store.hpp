// The trust a device holds and keeps: root, targets head, saved policy entries.
#pragma once

#include "device-agent/core/cache.hpp"
#include "protocol/trust/verify.hpp"

namespace mpyd::agent {

// Everything is verified before it is kept. Buffers are the caller's: `buffer` holds a document
// (kDocumentBytesMax), `scratch` prefix and body of one (trust::kScratchBytes).
class TrustStore {
 public:
  explicit TrustStore(Store& store) : store_(&store) {}

  // Before anything else. Root and entries prove nothing by themselves once their chain and proof
  // are gone, so they are kept under a seal that only this device can make: whoever can write the
  // store, a memory card say, cannot put his own there. A restored older one is still this device's
  // own.
  void set_device_secret(const SecretKey& secret);
  void wipe() { crypto::wipe(seal_key_.mutable_bytes()); }

  // Takes the newest of the provisioned root and the kept one, and the kept head if it still
  // counts. Errors: those of verify_first_root; io; memory (then nothing kept was forgotten).
  Result<void> start(Bytes provisioned_root, MutableBytes buffer, MutableBytes scratch);

  const trust::Root& root() const { return root_; }
  bool has_head() const { return head_.version != 0; }
  const trust::TargetsHead& head() const { return head_; }

  // Root N+1. One write: what the old root's targets keys said no longer counts if they changed,
  // because entries and answers carry the authority they came from, and the head its signatures.
  // `signed_root` may lie in `buffer`. Errors: those of verify_next_root; io, memory.
  Result<void> accept_root(Bytes signed_root, MutableBytes buffer, MutableBytes scratch);

  // A head at least as new as the one in force; true if it is newer. Under an expired root none is.
  // Errors: those of verify_head; equivocation (same version, other content); io.
  Result<bool> accept_head(Bytes signed_head, std::uint64_t now_unix_s, MutableBytes scratch);

  // Verifies the proof under the head in force and keeps the entry. Errors: those of verify_entry;
  // io.
  Result<void> accept_entry(const trust::EntryProof& proof, const HardwareId& hardware_id,
                            MutableBytes buffer);

  // The kept entry of a hardware ID, if it still counts. `now_unix_s` 0: expiry is not judged; else
  // an expired root counts like an expired head. Errors: untrusted (none, or from an authority no
  // longer in force), expired, malformed, io, memory.
  Result<trust::PolicyEntry> load_entry(const HardwareId& hardware_id, std::uint64_t now_unix_s,
                                        MutableBytes buffer);

  // Epoch and version of the head that proved the entry in this file last, as one rising number; 0
  // for an entry that no longer counts.
  std::uint64_t proof_of(const FileName& entry_file, MutableBytes buffer) const;

  // SHA-256 over epoch and targets keys of the root in force.
  const Digest& authority() const { return authority_; }

  // A file under the seal that only this device can make; the content is a view into the buffer.
  // Errors: not_found, io, memory, limit, truncated; decryption if this device did not write it.
  Result<Bytes> read_own(const char* name, MutableBytes buffer) const;
  // The content lies at the front of `buffer`. Leaves an equal file alone. Errors: limit, io.
  Result<void> write_own(const char* name, MutableBytes buffer, std::size_t content_bytes);

 private:
  Digest seal_of(const char* name, Bytes content) const;
  void set_root(const trust::Root& root);
  Result<void> take_first_root(Bytes signed_root, std::uint32_t version, MutableBytes scratch);
  Result<void> load_entry(const HardwareId& hardware_id, std::uint64_t now_unix_s,
                          MutableBytes buffer, trust::PolicyEntry& out);
  void use_kept_head(const Result<Bytes>& bytes, MutableBytes scratch);

  Store* store_;
  SharedKey seal_key_;
  trust::Root root_;
  trust::TargetsHead head_;
  Digest head_digest_;
  Digest authority_;
};

}  // namespace mpyd::agent
