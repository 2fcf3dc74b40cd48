#include "device-agent/core/saved.hpp"

#include "device-agent/core/cache.hpp"
#include "mpyd/v1/identity.npb.h"
#include "protocol/nanopb_io.hpp"

namespace mpyd::agent {
namespace {

constexpr const char* kDeviceFile = "device";

Digest digest_of(const ServerAddress& address) {
  std::array<std::byte, 2> port{};
  store_le16(port, 0, address.port);
  crypto::Sha256 hash;
  hash.update(as_bytes(address.host.view()));
  hash.update(port);
  return hash.finish();
}

// The wipes are for the stack.
void wipe_message(mpyd_v1_SavedDevice& m) {
  crypto::wipe({reinterpret_cast<std::byte*>(&m), sizeof m});
}

Result<SecretKey> read_device_key(Store& store) {
  std::array<std::byte, mpyd_v1_SavedDevice_size> file{};
  mpyd_v1_SavedDevice m{};
  const auto read = [&]() -> Result<SecretKey> {
    MPYD_TRY_ASSIGN(const Bytes bytes, read_file(store, kDeviceFile, file));
    MPYD_TRY(pb::decode(bytes, mpyd_v1_SavedDevice_fields, m));
    MPYD_TRY(pb::check_format(m.format, 0));
    return pb::fixed_of<SecretKey>(m.device_secret_key);
  };
  const auto key = read();
  crypto::wipe(file);
  wipe_message(m);
  return key;
}

Result<void> write_device_key(Store& store, const SecretKey& key) {
  std::array<std::byte, mpyd_v1_SavedDevice_size> file{};
  mpyd_v1_SavedDevice m{};
  m.format = kFormat;
  pb::assign(m.device_secret_key, key.bytes());
  const auto size = pb::encode(m, mpyd_v1_SavedDevice_fields, file);
  const auto written =
      size ? store.write(kDeviceFile, Bytes(file).first(*size)) : fail(size.error());
  crypto::wipe(file);
  wipe_message(m);
  return written;
}

}  // namespace

Result<SecretKey> own_device_key(Store& store, Entropy& entropy) {
  auto kept = read_device_key(store);
  if (kept || kept.error() != Errc::not_found) return kept;
  SecretKey key;
  MPYD_TRY(entropy.fill(key.mutable_bytes()));
  if (key.is_zero()) return fail(Errc::io);
  MPYD_TRY(write_device_key(store, key));
  return key;
}

Result<ServerAddress> make_address(std::string_view host, std::uint32_t port) {
  ServerAddress out;
  if (host.empty() || !out.host.append(host) || port == 0 || port > 65535)
    return fail(Errc::malformed);
  out.port = static_cast<std::uint16_t>(port);
  return out;
}

Result<ServerAddress> load_moved_server(const TrustStore& trust, const ServerAddress& provisioned,
                                        MutableBytes buffer) {
  MPYD_TRY_ASSIGN(const Bytes bytes, trust.read_own(kMovedServerFile, buffer));
  mpyd_v1_SavedServer m{};
  MPYD_TRY(pb::decode(bytes, mpyd_v1_SavedServer_fields, m));
  MPYD_TRY(pb::check_format(m.format, 0));
  if (!same_bytes(pb::view_of(m.provisioned), digest_of(provisioned).bytes()))
    return fail(Errc::not_found);
  return make_address(m.host, m.port);
}

Result<void> save_moved_server(TrustStore& trust, const ServerAddress& provisioned,
                               const ServerAddress& moved, MutableBytes buffer) {
  mpyd_v1_SavedServer m{};
  m.format = kFormat;
  pb::assign(m.host, moved.host.view());
  m.port = moved.port;
  pb::assign(m.provisioned, digest_of(provisioned).bytes());
  MPYD_TRY_ASSIGN(const std::size_t size, pb::encode(m, mpyd_v1_SavedServer_fields, buffer));
  return trust.write_own(kMovedServerFile, buffer, size);
}

LoadedList load_loaded(const TrustStore& trust, const char* loaded_file, MutableBytes buffer) {
  LoadedList out;
  const auto bytes = trust.read_own(loaded_file, buffer);
  mpyd_v1_SavedLoaded m{};
  if (!bytes || !pb::decode(*bytes, mpyd_v1_SavedLoaded_fields, m) ||
      !pb::check_format(m.format, 0) ||
      !same_bytes(pb::view_of(m.authority), trust.authority().bytes()))
    return out;
  for (pb_size_t i = 0; i < m.digests_count; ++i)
    if (const auto digest = pb::fixed_of<Digest>(m.digests[i])) out.push_back(*digest);
  return out;
}

bool was_loaded(const TrustStore& trust, const HardwareId& hardware_id, const Digest& digest,
                MutableBytes buffer) {
  for (const Digest& loaded : load_loaded(trust, loaded_file(hardware_id).c_str(), buffer))
    if (loaded == digest) return true;
  return false;
}

Result<void> save_loaded(TrustStore& trust, Store& store, const HardwareId& hardware_id,
                         const Digest& digest, MutableBytes buffer) {
  const FileName name = loaded_file(hardware_id);
  const LoadedList before = load_loaded(trust, name.c_str(), buffer);
  mpyd_v1_SavedLoaded m{};
  m.format = kFormat;
  pb::assign(m.authority, trust.authority().bytes());
  pb::assign(m.digests[m.digests_count++], digest.bytes());
  for (const Digest& other : before) {
    if (other == digest) return {};  // flash wears: the order matters less
    if (m.digests_count < sizeof m.digests / sizeof m.digests[0])
      pb::assign(m.digests[m.digests_count++], other.bytes());
    else if (!is_cached(store, hardware_id, other))
      MPYD_TRY(store.remove(key_file(other).c_str()));
  }
  MPYD_TRY_ASSIGN(const std::size_t size, pb::encode(m, mpyd_v1_SavedLoaded_fields, buffer));
  return trust.write_own(name.c_str(), buffer, size);
}

}  // namespace mpyd::agent
