// How it begins: identity, the device's own key, the policy that came with it, and kept state.
#include "device-agent/core/agent.hpp"
#include "mpyd/v1/identity.npb.h"
#include "protocol/nanopb_io.hpp"
#include "protocol/package/key_block.hpp"

namespace mpyd::agent {

Result<void> Agent::start(Bytes identity) {
  if (slots_.size() > kSlotsMax || (!places_.empty() && places_.size() != slots_.size()) ||
      work_.size() < kWorkBytes || message_.size() < kMessageBytesMin)
    return fail(Errc::limit);
  reason_.clear();
  MPYD_TRY(read_identity(identity));
  MPYD_TRY(load_state());
  next_sync_ms_ = next_refresh_ms_ = ports_.clock.now_ms();
  retry_ms_ = config_.retry_min_ms;
  for (Slot& slot : slots_) {
    slot = Slot{};
    slot.next_probe_ms = ports_.clock.now_ms();  // the clock may stand anywhere
  }
  return {};
}

Result<void> Agent::read_identity(Bytes identity) {
  Bytes root;
  Bytes head;
  mpyd_v1_Identity m{};
  pb::want_view(m.root, root);
  pb::want_view(m.head, head);
  m.entries.funcs.decode = pb::skip;
  MPYD_TRY(pb::decode(identity, mpyd_v1_Identity_fields, m));
  MPYD_TRY(pb::check_format(m.format, m.min_reader));
  const auto secret = pb::fixed_or_zero<SecretKey>(m.device_secret_key);
  crypto::wipe({reinterpret_cast<std::byte*>(&m.device_secret_key), sizeof m.device_secret_key});
  MPYD_TRY_ASSIGN(device_secret_, secret);
  MPYD_TRY_ASSIGN(provisioned_, make_address(m.server_host, m.server_port));
  MPYD_TRY_ASSIGN(enroll_token_, InlineText<64>::make(m.enroll_token));
  keeps_on_after_expiry_ = m.after_expiry == 1;
  if (device_secret_.is_zero()) MPYD_TRY(take_own_key());
  device_key_ = crypto::x25519_public(device_secret_);
  keys_.set_device_secret(device_secret_);
  trust_.set_device_secret(device_secret_);
  MPYD_TRY(trust_.start(root, message_, work_));
  MPYD_TRY(use_server_key());
  return head.empty() ? Result<void>{} : take_policy(identity, head);
}

// A fleet's identity is the same for all its devices: each makes its key when it first starts.
Result<void> Agent::take_own_key() {
  const auto key = own_device_key(ports_.store, ports_.entropy);
  if (key) {
    device_secret_ = *key;
    return {};
  }
  reason_.append(key.error() == Errc::io
                     ? "this device has no key yet and cannot make one: its storage does not work, "
                       "or its source of random numbers is not ready"
                     : "the file 'device' with this device's own key is damaged; a factory reset "
                       "with a new key makes it another device");
  return fail(key.error());
}

namespace {

// Not inlined: an entry shall be off the stack when its proof is checked.
[[gnu::noinline]] Result<HardwareId> hardware_id_of(Bytes entry) {
  trust::PolicyEntry out;
  MPYD_TRY(trust::read_entry(entry, out));
  return out.hardware_id;
}

struct BakedEntries {
  TrustStore* trust;
  MutableBytes buffer;

  Result<void> take(Bytes bytes) {
    trust::EntryProof proof;
    MPYD_TRY(trust::read_proof(bytes, proof));
    MPYD_TRY_ASSIGN(const HardwareId hardware_id, hardware_id_of(proof.entry));
    return trust->accept_entry(proof, hardware_id, buffer);
  }
};

bool take_entry(pb_istream_t* stream, const pb_field_t* field, void** arg) {
  Bytes bytes;
  void* view = &bytes;
  if (!pb::decode_view(stream, field, &view)) return false;
  const auto taken = static_cast<BakedEntries*>(*arg)->take(bytes);
  // One that no longer counts is passed over; storage that does not work is another matter.
  return taken || taken.error() != Errc::io;
}

}  // namespace

// The policy that the identity brings along, verified like any other: in force until a sync brings
// a newer one, and never in the place of what is kept already.
Result<void> Agent::take_policy(Bytes identity, Bytes head) {
  const auto accepted = trust_.accept_head(head, 0, work_);
  if (!accepted) return accepted.error() == Errc::io ? fail(Errc::io) : Result<void>{};
  BakedEntries entries{&trust_, work_};
  mpyd_v1_Identity m{};
  m.root.funcs.decode = pb::skip;
  m.head.funcs.decode = pb::skip;
  m.entries.funcs.decode = take_entry;
  m.entries.arg = &entries;
  const auto taken = pb::decode(identity, mpyd_v1_Identity_fields, m);
  crypto::wipe({reinterpret_cast<std::byte*>(&m.device_secret_key), sizeof m.device_secret_key});
  return taken ? taken : fail(Errc::io);
}

// Once per server key: the exchange costs more than all the rest of a sync.
Result<void> Agent::use_server_key() {
  const ExchangeKey& server = trust_.root().server_key;
  server_key_id_ = key_id(server.bytes());
  if (!crypto::box_key(device_secret_, server, box_key_)) return fail(Errc::untrusted);
  MPYD_TRY(fleet_.use_server(server_key_id_));
  fleet_generation_ = fleet_.generation();
  return {};
}

Result<void> Agent::load_state() {
  MPYD_TRY_ASSIGN(counter_, load_number(ports_.store, "counter"));
  counter_reserved_ = counter_;
  MPYD_TRY_ASSIGN(saved_sync_unix_s_, load_number(ports_.store, "time"));
  last_sync_unix_s_ = saved_sync_unix_s_;
  MPYD_TRY(trials_.start(config_.firmware));
  MPYD_TRY_ASSIGN(const std::uint64_t revoked, load_number(ports_.store, kRevokedFile));
  is_revoked_ = revoked != 0;
  // A power cut may have come between the mark and this.
  if (is_revoked_) MPYD_TRY(forget_secrets());
  moved_ = {};
  if (const auto moved = load_moved_server(trust_, provisioned_, work_)) moved_ = *moved;
  return {};
}

}  // namespace mpyd::agent
