// Names and contents of the files the agent keeps: packages, sealed content keys, saved entries and
// answers.
#pragma once

#include "device-agent/core/ports.hpp"
#include "protocol/hardware_id.hpp"

namespace mpyd::agent {

using FileName = InlineText<80>;

// Packages: `p-<hardware>-<digest>`; keys: `k-<digest>`; entries: `e-<hardware>`; answers:
// `a-<hardware>`; what was loaded: `l-<hardware>`. <hardware> is the beginning of SHA-256(hardware
// ID), in hex.
FileName package_file(const HardwareId& hardware_id, const Digest& digest);
FileName entry_file(const HardwareId& hardware_id);
FileName answer_file(const HardwareId& hardware_id);
FileName loaded_file(const HardwareId& hardware_id);
FileName key_file(const Digest& digest);

// A whole small file. Errors: not_found, io, limit (it is larger than the buffer).
Result<Bytes> read_file(Store& store, const char* name, MutableBytes buffer);
// Every file whose name starts so. Errors: io.
Result<void> remove_all(Store& store, Clock& clock, const char* prefix);

// Content keys and other secrets of 32 bytes at rest: format u8 | nonce (24) | secretbox under
// SHA-256("mpyd cache v1" || device secret).
class KeyCache {
 public:
  KeyCache(Store& store, Entropy& entropy) : store_(&store), entropy_(&entropy) {}
  void set_device_secret(const SecretKey& secret);
  // Writes nothing if the same key is kept already. Errors: io.
  Result<void> save(const Digest& digest, const ContentKey& key);
  // Errors: not_found, io, decryption, unsupported.
  Result<ContentKey> load(const Digest& digest);
  // The same for any secret under any name.
  Result<void> save_secret(const FileName& name, Bytes secret);
  Result<void> load_secret(const FileName& name, MutableBytes out);
  void wipe() { crypto::wipe(key_.mutable_bytes()); }

 private:
  Store* store_;
  Entropy* entropy_;
  SharedKey key_;
};

// The n-th cached package of a hardware ID. Errors: not_found, io.
Result<Digest> find_cached(Store& store, const HardwareId& hardware_id, unsigned n);
bool is_cached(Store& store, const HardwareId& hardware_id, const Digest& digest);

// A stored package as a source. Errors of read: io, truncated, not_found.
class CachedPackage final : public PackageSource {
 public:
  CachedPackage(Store& store, const FileName& name) : store_(&store), name_(name) {}
  Result<void> read(std::uint32_t offset, MutableBytes out) override {
    return store_->read(name_.c_str(), offset, out);
  }

 private:
  Store* store_;
  FileName name_;
};

// Flash wears: a file that holds these bytes already is left alone. Errors: io.
Result<void> write_if_changed(Store& store, const char* name, Bytes bytes);

// A small number that survives resets: format u8 | value u64, little-endian.
// 0 if absent, cut short or erased. Errors: io, unsupported (a newer format).
Result<std::uint64_t> load_number(Store& store, const char* name);
Result<void> save_number(Store& store, const char* name, std::uint64_t value);  // io

}  // namespace mpyd::agent
