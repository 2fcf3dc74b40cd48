#include "device-agent/core/cache.hpp"

#include <array>

#include "protocol/limits.hpp"

namespace mpyd::agent {
namespace {

constexpr std::size_t kHardwareHexDigits = 16;
constexpr std::size_t kPackagePrefixBytes = 15;
constexpr std::size_t kSealedKeyBytes = 1 + Nonce::kSize + crypto::kTagBytes + ContentKey::kSize;

constexpr std::uint32_t kErased = 0xff;  // flash that was never written

FileName with_hardware(std::string_view prefix, const HardwareId& hardware_id) {
  const HexDigest hex = format_digest(crypto::sha256(as_bytes(hardware_id.view())));
  FileName out;
  out.append(prefix);
  out.append(part_of(hex.view(), 0, kHardwareHexDigits));
  return out;
}

}  // namespace

FileName key_file(const Digest& digest) {
  FileName out;
  out.append("k-");
  out.append(format_digest(digest).view());
  return out;
}

FileName package_file(const HardwareId& hardware_id, const Digest& digest) {
  // The whole digest, so that a person can compare: the longest name there is, 2 + 13 + 1 + 64
  // = 80.
  FileName out;
  out.append(part_of(with_hardware("p-", hardware_id).view(), 0, kPackagePrefixBytes));
  out.append('-');
  out.append(format_digest(digest).view());
  return out;
}

FileName entry_file(const HardwareId& hardware_id) { return with_hardware("e-", hardware_id); }
FileName answer_file(const HardwareId& hardware_id) { return with_hardware("a-", hardware_id); }
FileName loaded_file(const HardwareId& hardware_id) { return with_hardware("l-", hardware_id); }

Result<Bytes> read_file(Store& store, const char* name, MutableBytes buffer) {
  MPYD_TRY_ASSIGN(const std::uint32_t size, store.size(name));
  if (size > buffer.size()) return fail(Errc::limit);
  MPYD_TRY(store.read(name, 0, buffer.first(size)));
  return Bytes(buffer.first(size));
}

Result<void> remove_all(Store& store, Clock& clock, const char* prefix) {
  FileName name;
  while (store.find(prefix, 0, name)) {
    MPYD_TRY(store.remove(name.c_str()));
    clock.feed_watchdog();
  }
  return {};
}

void KeyCache::set_device_secret(const SecretKey& secret) {
  crypto::Sha256 hash;
  hash.update(as_bytes("mpyd cache v1"));
  hash.update(secret.bytes());
  const Digest key = hash.finish();
  copy_bytes(key.bytes(), key_.mutable_bytes());
}

Result<void> KeyCache::save(const Digest& digest, const ContentKey& key) {
  return save_secret(key_file(digest), key.bytes());
}

Result<ContentKey> KeyCache::load(const Digest& digest) {
  ContentKey key;
  MPYD_TRY(load_secret(key_file(digest), key.mutable_bytes()));
  return key;
}

Result<void> KeyCache::save_secret(const FileName& name, Bytes secret) {
  ContentKey kept;
  if (load_secret(name, kept.mutable_bytes())) {
    const bool is_same = crypto::equal(kept.bytes(), secret);
    crypto::wipe(kept.mutable_bytes());
    if (is_same) return {};
  }
  std::array<std::byte, kSealedKeyBytes> file{};
  store_u8(file, 0, kFormat);
  Nonce nonce;
  MPYD_TRY(entropy_->fill(nonce.mutable_bytes()));
  copy_bytes(nonce.bytes(), MutableBytes(file).subspan(1));
  crypto::box_seal(key_, nonce, secret, MutableBytes(file).subspan(1 + Nonce::kSize));
  return store_->write(name.c_str(), file);
}

Result<void> KeyCache::load_secret(const FileName& name, MutableBytes out) {
  std::array<std::byte, kSealedKeyBytes> file{};
  MPYD_TRY(store_->read(name.c_str(), 0, file));
  if (!is_known_format(load_u8(file, 0))) return fail(Errc::unsupported);
  Nonce nonce;
  copy_bytes(Bytes(file).subspan(1, Nonce::kSize), nonce.mutable_bytes());
  return crypto::box_open(key_, nonce, Bytes(file).subspan(1 + Nonce::kSize), out)
             ? Result<void>{}
             : fail(Errc::decryption);
}

Result<Digest> find_cached(Store& store, const HardwareId& hardware_id, unsigned n) {
  const FileName any = package_file(hardware_id, Digest{});
  const std::size_t digest_at = any.size() - 2 * Digest::kSize;
  FileName prefix;
  prefix.append(part_of(any.view(), 0, digest_at));
  FileName name;
  MPYD_TRY(store.find(prefix.c_str(), n, name));
  return parse_digest(part_of(name.view(), digest_at));
}

bool is_cached(Store& store, const HardwareId& hardware_id, const Digest& digest) {
  return store.size(package_file(hardware_id, digest).c_str()).has_value();
}

Result<void> write_if_changed(Store& store, const char* name, Bytes bytes) {
  std::array<std::byte, 64> piece{};
  const auto size = store.size(name);
  bool is_same = size && *size == bytes.size();
  for (std::uint32_t at = 0; is_same && at < bytes.size(); at += piece.size()) {
    const Bytes wanted = bytes.subspan(at);
    const MutableBytes kept =
        MutableBytes(piece).first(wanted.size() < piece.size() ? wanted.size() : piece.size());
    is_same = store.read(name, at, kept) && same_bytes(kept, wanted.first(kept.size()));
  }
  return is_same ? Result<void>{} : store.write(name, bytes);
}

Result<std::uint64_t> load_number(Store& store, const char* name) {
  std::array<std::byte, 9> file{};
  if (const auto read = store.read(name, 0, file); !read) {
    // A damaged one too: the server tells the counter again, and a sync the time.
    if (read.error() == Errc::not_found || read.error() == Errc::truncated) return std::uint64_t{0};
    return fail(read.error());
  }
  if (load_u8(file, 0) == kErased) return std::uint64_t{0};
  if (!is_known_format(load_u8(file, 0))) return fail(Errc::unsupported);
  return std::uint64_t{load_le32(file, 5)} << 32 | load_le32(file, 1);
}

Result<void> save_number(Store& store, const char* name, std::uint64_t value) {
  std::array<std::byte, 9> file{};
  store_u8(file, 0, kFormat);
  store_le32(file, 1, static_cast<std::uint32_t>(value));
  store_le32(file, 5, static_cast<std::uint32_t>(value >> 32));
  return store.write(name, file);
}

}  // namespace mpyd::agent
