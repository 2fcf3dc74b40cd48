#include "device-agent/core/fleet_keys.hpp"

#include "protocol/decimal.hpp"

namespace mpyd::agent {
namespace {

constexpr const char* kPrefix = "f-";
constexpr const char* kServerFile = "fleet";       // the server key under which the keys were told
constexpr unsigned kFilesMax = 2 * kFleetKeysMax;  // looked at; strays do not keep us busy

FileName file_of(std::uint32_t generation) {
  FileName out;
  out.append(kPrefix);
  append_decimal(out, generation);
  return out;
}

// 0 if it is none of our names.
std::uint32_t generation_of(const FileName& name) {
  std::uint32_t out = 0;
  for (const char c : part_of(name.view(), 2)) {
    if (c < '0' || c > '9' || out > 0xffffffff / 10 - 1) return 0;
    out = out * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return out;
}

struct Kept {
  unsigned count = 0;
  std::uint32_t newest = 0;
  std::uint32_t oldest = 0;
};
Kept kept_in(Store& store) {
  Kept out;
  FileName name;
  for (unsigned n = 0; n < kFilesMax && store.find(kPrefix, n, name); ++n) {
    const std::uint32_t generation = generation_of(name);
    if (generation == 0) continue;
    ++out.count;
    if (generation > out.newest) out.newest = generation;
    if (out.oldest == 0 || generation < out.oldest) out.oldest = generation;
  }
  return out;
}

}  // namespace

Result<void> FleetKeys::use_server(const KeyId& server_key) {
  server_ =
      std::uint64_t{load_le32(server_key.bytes(), 4)} << 32 | load_le32(server_key.bytes(), 0);
  MPYD_TRY_ASSIGN(const std::uint64_t told_by, load_number(*store_, kServerFile));
  if (told_by == server_) return {};
  FileName name;
  while (store_->find(kPrefix, 0, name)) MPYD_TRY(store_->remove(name.c_str()));
  return {};
}

std::uint32_t FleetKeys::generation() const { return kept_in(*store_).newest; }

Result<void> FleetKeys::save(const FleetKeyList& newest_first) {
  if (newest_first.empty()) return {};
  MPYD_TRY_ASSIGN(const std::uint64_t told_by, load_number(*store_, kServerFile));
  if (told_by != server_) MPYD_TRY(save_number(*store_, kServerFile, server_));
  while (kept_in(*store_).newest > newest_first[0].generation)
    MPYD_TRY(store_->remove(file_of(kept_in(*store_).newest).c_str()));
  for (std::size_t i = newest_first.size(); i-- > 0;) {
    const FleetKey& key = newest_first[i];
    const FileName name = file_of(key.generation);
    if (generation_of(name) == 0) return fail(Errc::malformed);
    MPYD_TRY(keys_->save_secret(name, key.secret.bytes()));
    const Kept kept = kept_in(*store_);
    if (kept.count > kFleetKeysMax) MPYD_TRY(store_->remove(file_of(kept.oldest).c_str()));
  }
  return {};
}

Result<void> FleetKeys::load(unsigned n, SecretKey& out) {
  FileName name;
  MPYD_TRY(store_->find(kPrefix, n, name));
  return keys_->load_secret(name, out.mutable_bytes());
}

}  // namespace mpyd::agent
