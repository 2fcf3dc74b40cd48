#include "device-agent/core/bounds.hpp"

#include "device-agent/core/saved.hpp"

namespace mpyd::agent {
namespace {

constexpr const char* kEntryPrefix = "e-";
constexpr std::size_t kPrefixBytes = 2;
constexpr std::size_t kPackageHexDigits = 13;  // of the hardware ID, in the names of packages
constexpr unsigned kPackagesMax = 32;          // looked at; strays do not keep us busy

Result<void> remove_package(Store& store, const char* name, const Digest& digest) {
  MPYD_TRY(store.remove(key_file(digest).c_str()));
  return store.remove(name);
}

Result<void> remove_packages(Store& store, std::string_view hardware) {
  FileName prefix;
  prefix.append("p-");
  prefix.append(part_of(hardware, 0, kPackageHexDigits));
  prefix.append('-');
  FileName name;
  while (store.find(prefix.c_str(), 0, name)) {
    const auto digest = parse_digest(part_of(name.view(), prefix.size()));
    MPYD_TRY(remove_package(store, name.c_str(), digest ? *digest : Digest{}));
  }
  return {};
}

// The entry goes last: what a power cut leaves is found again by it.
Result<void> forget_hardware(const TrustStore& trust, Store& store, const FileName& entry,
                             MutableBytes buffer) {
  const std::string_view hardware = part_of(entry.view(), kPrefixBytes);
  FileName name;
  const auto use = [&](std::string_view prefix) {
    name.clear();
    name.append(prefix);
    name.append(hardware);
    return name.c_str();
  };
  // Packages on EEPROMs have a key here, but no file.
  for (const Digest& digest : load_loaded(trust, use("l-"), buffer))
    MPYD_TRY(store.remove(key_file(digest).c_str()));
  MPYD_TRY(remove_packages(store, hardware));
  for (const char* prefix : {"l-", "a-", kEntryPrefix}) MPYD_TRY(store.remove(use(prefix)));
  return {};
}

// 0 if it cannot be told: such a file is of no use.
std::uint32_t release_of(PackageSource& source, MutableBytes buffer) {
  const MutableBytes start = buffer.first(kRecordHeaderBytes + kHeadFixedBytes);
  if (!source.read(0, start)) return 0;
  const auto size = package_head_bytes(start);
  PackageHead head;
  if (!size || !source.read(0, buffer.first(*size)) ||
      !read_package_head(buffer.first(*size), head))
    return 0;
  return head.manifest.release;
}

}  // namespace

Result<void> forget_surplus_entries(const TrustStore& trust, Store& store, Needs& needs,
                                    MutableBytes buffer) {
  FileName name;
  while (store.find(kEntryPrefix, kSavedEntriesMax, name)) {
    FileName oldest;
    std::uint64_t oldest_proof = ~std::uint64_t{0};
    for (unsigned n = 0; n <= kSavedEntriesMax && store.find(kEntryPrefix, n, name); ++n) {
      const std::uint64_t proof = trust.proof_of(name, buffer);
      if (proof >= oldest_proof || needs.needs_entry(name)) continue;
      oldest = name;
      oldest_proof = proof;
    }
    if (oldest.empty()) return {};
    MPYD_TRY(forget_hardware(trust, store, oldest, buffer));
  }
  return {};
}

Result<void> forget_surplus_packages(Store& store, const HardwareId& hardware_id, Needs& needs,
                                     MutableBytes buffer) {
  while (find_cached(store, hardware_id, kCachedPackagesMax).has_value()) {
    Digest oldest;
    std::uint32_t oldest_release = 0xffffffff;
    std::uint32_t newest_release = 0;
    for (unsigned n = 0; n < kPackagesMax; ++n) {
      const auto digest = find_cached(store, hardware_id, n);
      if (!digest && digest.error() == Errc::not_found) break;
      if (!digest) continue;  // somebody else's file under a name like ours
      CachedPackage package(store, package_file(hardware_id, *digest));
      const std::uint32_t release = release_of(package, buffer);
      if (release > newest_release) newest_release = release;
      if (release >= oldest_release || needs.needs_package(*digest)) continue;
      oldest = *digest;
      oldest_release = release;
    }
    if (oldest.is_zero() || oldest_release == newest_release) return {};
    MPYD_TRY(remove_package(store, package_file(hardware_id, oldest).c_str(), oldest));
  }
  return {};
}

}  // namespace mpyd::agent
