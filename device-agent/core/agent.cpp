#include "device-agent/core/agent.hpp"

#include "mpyd/v1/identity.npb.h"
#include "protocol/nanopb_io.hpp"
#include "protocol/package/key_block.hpp"

namespace mpyd::agent {

Agent::Agent(const Ports& ports, const Config& config, const Memory& memory)
    : ports_(ports),
      config_(config),
      slots_(memory.slots),
      work_(memory.work),
      message_(memory.message),
      trust_(ports.store),
      keys_(ports.store, ports.entropy),
      exchange_(ports.transport) {}

Result<void> Agent::start(Bytes identity) {
  if (slots_.size() > kSlotsMax || work_.size() < kWorkBytes || message_.size() < kMessageBytesMin)
    return fail(Errc::limit);
  MPYD_TRY(read_identity(identity));
  MPYD_TRY_ASSIGN(counter_, load_number(ports_.store, "counter"));
  counter_reserved_ = counter_;
  MPYD_TRY_ASSIGN(saved_sync_unix_s_, load_number(ports_.store, "time"));
  last_sync_unix_s_ = saved_sync_unix_s_;
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
  mpyd_v1_Identity m{};
  pb::want_view(m.root, root);
  MPYD_TRY(pb::decode(identity, mpyd_v1_Identity_fields, m));
  MPYD_TRY(pb::check_format(m.format, m.min_reader));
  MPYD_TRY_ASSIGN(device_secret_, pb::fixed_of<SecretKey>(m.device_secret_key));
  crypto::wipe({reinterpret_cast<std::byte*>(&m.device_secret_key), sizeof m.device_secret_key});
  device_key_ = crypto::x25519_public(device_secret_);
  MPYD_TRY_ASSIGN(server_host_, InlineText<64>::make(m.server_host));
  if (m.server_port == 0 || m.server_port > 65535 || server_host_.empty())
    return fail(Errc::malformed);
  server_port_ = static_cast<std::uint16_t>(m.server_port);
  MPYD_TRY_ASSIGN(enroll_token_, InlineText<64>::make(m.enroll_token));
  keys_.set_device_secret(device_secret_);
  trust_.set_device_secret(device_secret_);
  MPYD_TRY(trust_.start(root, message_, work_));
  return use_server_key();
}

// Once per server key: the exchange costs more than all the rest of a sync.
Result<void> Agent::use_server_key() {
  const ExchangeKey& server = trust_.root().server_key;
  server_key_id_ = key_id(server.bytes());
  if (!crypto::box_key(device_secret_, server, box_key_)) return fail(Errc::untrusted);
  return {};
}

std::uint32_t Agent::poll() {
  ports_.clock.feed_watchdog();
  // Probing and the job in hand take turns, so that neither starves the other.
  probe_turn_ = !probe_turn_;
  if (probe_turn_ && probe_due_slot()) return 0;
  if (job_ != Job::none || pick_job()) return step_job();

  const std::uint32_t now = ports_.clock.now_ms();
  std::uint32_t wait = config_.probe_interval_ms;
  const auto sync_in = static_cast<std::int32_t>(next_sync_ms_ - now);
  if (sync_in >= 0 && static_cast<std::uint32_t>(sync_in) < wait)
    wait = static_cast<std::uint32_t>(sync_in);
  for (const Slot& slot : slots_) {
    const auto probe_in = static_cast<std::int32_t>(slot.next_probe_ms - now);
    if (probe_in <= 0) return 0;
    if (static_cast<std::uint32_t>(probe_in) < wait) wait = static_cast<std::uint32_t>(probe_in);
  }
  return wait;
}

void Agent::stop() {
  exchange_.close();
  ports_.store.abort();
  finish_job();
  for (unsigned i = 0; i < slots_.size(); ++i) release_driver(i);
  keys_.wipe();
  trust_.wipe();
  crypto::wipe(device_secret_.mutable_bytes());
  crypto::wipe(box_key_.mutable_bytes());
}

void Agent::notify(EventKind kind, unsigned slot, Errc error, std::string_view detail,
                   std::uint32_t duration_ms) {
  const auto number = static_cast<std::uint8_t>(slot);
  const bool is_about_slot = slot < slots_.size();
  if (is_about_slot && (kind == EventKind::loaded || kind == EventKind::refused ||
                        kind == EventKind::unidentified || kind == EventKind::removed)) {
    events_.push({kind, number, error, duration_ms, slots_[slot].generation, slots_[slot].chosen});
    plan_sync(config_.report_delay_ms);
  }
  ports_.listener.on_event({kind, number, error, detail, duration_ms});
}

// Online the time of the sync in hand, whatever the clock says; offline the larger of both. 0 when
// neither is known.
std::uint64_t Agent::now_unix_s() const {
  const std::uint64_t clock = ports_.clock.unix_s();
  return offline_ && clock > last_sync_unix_s_ ? clock : last_sync_unix_s_;
}

// Brings the next sync forward, never back; while offline the retry interval rules.
void Agent::plan_sync(std::uint32_t delay_ms) {
  const std::uint32_t at = ports_.clock.now_ms() + delay_ms;
  if (!offline_ && static_cast<std::int32_t>(next_sync_ms_ - at) > 0) next_sync_ms_ = at;
}

Result<std::size_t> Agent::read_config(unsigned slot, MutableBytes out) {
  if (slot >= slots_.size() || slots_[slot].state == SlotState::empty) return fail(Errc::no_device);
  const eeprom::Extent extent = slots_[slot].identity.configuration;
  if (extent.length > out.size()) return fail(Errc::limit);
  EepromSource source(ports_.i2c, slot, config_.eeprom_address);
  MPYD_TRY(source.read(extent.offset, out.first(extent.length)));
  return std::size_t{extent.length};
}

}  // namespace mpyd::agent
