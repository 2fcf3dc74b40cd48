#include "server/services/fleet_keys.hpp"

#include <boost/json.hpp>

#include "protocol/crypto.hpp"
#include "protocol/limits.hpp"
#include "server/crypto/random.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kSealedBytes = Nonce::kSize + crypto::kTagBytes + SecretKey::kSize;

Locked<SharedKey> sealing_key(const ExchangeKeyPair& server) {
  Locked<SharedKey> key;
  crypto::Sha256 hash;
  hash.update(as_bytes("mpyd fleet v1"));
  hash.update(server.secret->bytes());
  Digest digest = hash.finish();
  copy_bytes(digest.bytes(), key->mutable_bytes());
  crypto::wipe(digest.mutable_bytes());
  return key;
}

ByteVector seal(const SecretKey& secret, const ExchangeKeyPair& server) {
  ByteVector out(kSealedBytes);
  const auto nonce = random_value<Nonce>();
  copy_bytes(nonce.bytes(), out);
  crypto::box_seal(*sealing_key(server), nonce, secret.bytes(),
                   MutableBytes(out).subspan(Nonce::kSize));
  return out;
}

Result<void> open(const FleetKeyRow& row, const ExchangeKeyPair& server, SecretKey& secret) {
  const Bytes sealed = row.sealed_secret;
  if (sealed.size() != kSealedBytes) return fail(Errc::malformed, "a fleet key in the database");
  MPYD_TRY_ASSIGN(const Nonce nonce, lift(Nonce::from(sealed.first(Nonce::kSize)), "fleet key"));
  if (!crypto::box_open(*sealing_key(server), nonce, sealed.subspan(Nonce::kSize),
                        secret.mutable_bytes()))
    return fail(Errc::decryption,
                "the fleet key of generation " + std::to_string(row.generation) +
                    " in the database is not sealed to the server key in the data directory");
  return {};
}

}  // namespace

Result<void> FleetKeys::load() {
  MPYD_TRY_ASSIGN(const auto rows,
                  store_.get([](const Snapshot& s) { return s.fleet_keys().list(); }));
  const ServerKeys::Key server = server_keys_.current();
  std::vector<Held> held;
  for (const FleetKeyRow& row : rows) {
    if (held.size() == kFleetKeysMax) break;
    Held& key = held.emplace_back();
    key.key = {row.generation, row.public_key, row.created_unix_s};
    MPYD_TRY(open(row, *server, *key.secret));
  }
  const std::scoped_lock lock(mutex_);
  held_ = std::move(held);
  return {};
}

Result<void> FleetKeys::check(const std::vector<FleetKeyRow>& rows, const ExchangeKeyPair& server) {
  Locked<SecretKey> secret;
  for (std::size_t i = 0; i < rows.size() && i < kFleetKeysMax; ++i)
    MPYD_TRY(open(rows[i], server, *secret));
  return {};
}

std::vector<FleetKeys::Key> FleetKeys::list() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Key> out;
  for (const Held& held : held_) out.push_back(held.key);
  return out;
}

std::uint32_t FleetKeys::newest() const {
  const std::scoped_lock lock(mutex_);
  return held_.empty() ? 0 : held_.front().key.generation;
}

Result<FleetKeys::Made> FleetKeys::make(std::uint32_t generation, const std::string& actor) {
  const std::scoped_lock lock(mutex_);
  const std::uint32_t newest = held_.empty() ? 0 : held_.front().key.generation;
  if (generation != 0 && generation == newest) return Made{held_.front().key, true};
  if (generation != newest + 1)
    return fail(Errc::conflict, "the fleet key of generation " + std::to_string(newest + 1) +
                                    " is due, not that of " + std::to_string(generation));
  const std::uint64_t now = clock_.now_unix_s();
  ExchangeKeyPair pair = make_exchange_key();
  const ServerKeys::Key server = server_keys_.current();
  const FleetKeyRow row{generation, pair.public_key, seal(*pair.secret, *server), now};
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    if (!server_keys_.is_staying(server))
      return fail(Errc::conflict, "the server's key is being changed; try again");
    MPYD_TRY(tx.fleet_keys().add(row));
    MPYD_TRY(tx.fleet_keys().remove_key_blocks());  // made for the key before
    return tx.audit().append({now, actor, "fleet-key", std::to_string(generation),
                              boost::json::serialize(boost::json::object{
                                  {"public_key", to_hex(row.public_key.bytes())}})});
  });
  MPYD_TRY(written);
  Held held{{generation, pair.public_key, now}, std::move(pair.secret)};
  held_.insert(held_.begin(), std::move(held));
  if (held_.size() > kFleetKeysMax) held_.pop_back();
  return Made{held_.front().key, false};
}

void FleetKeys::for_each(const Use& use) const {
  const std::scoped_lock lock(mutex_);
  for (const Held& held : held_) use(held.key.generation, *held.secret);
}

Result<void> FleetKeys::reseal(Transaction& tx, const ExchangeKeyPair& from,
                               const ExchangeKeyPair& to) {
  MPYD_TRY_ASSIGN(const auto rows, tx.fleet_keys().list());
  Locked<SecretKey> secret;
  for (const FleetKeyRow& row : rows) {
    MPYD_TRY(open(row, from, *secret));
    MPYD_TRY(tx.fleet_keys().set_sealed_secret(row.generation, seal(*secret, to)));
  }
  return {};
}

}  // namespace mpyd::server
