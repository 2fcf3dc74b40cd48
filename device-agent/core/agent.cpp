#include "device-agent/core/agent.hpp"

namespace mpyd::agent {

Agent::Agent(const Ports& ports, const Config& config, const Memory& memory)
    : ports_(ports),
      config_(config),
      slots_(memory.slots),
      places_(memory.places),
      work_(memory.work),
      message_(memory.message),
      trust_(ports.store),
      keys_(ports.store, ports.entropy),
      fleet_(ports.store, keys_),
      trials_(ports.store),
      exchange_(ports.transport) {}

std::uint32_t Agent::poll() {
  ports_.clock.feed_watchdog();
  trials_.end_those_over(ports_.clock.now_ms(), config_.trial_ms);
  // Polling, finding out what a board is and the job in hand take turns, so that none starves.
  for (unsigned n = 0; n < 3; ++n) {
    turn_ = turn_ == 2 ? std::uint8_t{0} : static_cast<std::uint8_t>(turn_ + 1);
    if (turn_ == 0 && probe_due_slots()) return 0;
    if (turn_ == 1 && step_find()) return 0;
    if (turn_ != 2 || (job_ == Job::none && !pick_job())) continue;
    const std::uint32_t wait_ms = step_job();
    return find_.is_active ? 0 : wait_ms;  // a quiet network keeps no board waiting
  }

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
  if (store_.slot != kSlotNone) end_store(Errc::no_device);
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
  if (is_about_slot &&
      (kind == EventKind::loaded || kind == EventKind::refused || kind == EventKind::unidentified ||
       kind == EventKind::removed || kind == EventKind::stored)) {
    events_.push({kind, number, error, duration_ms, slots_[slot].generation, slots_[slot].chosen});
    // What was said of it in this round of syncs is no longer so.
    to_report_ |= std::uint64_t{1} << slot;
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

// What a policy's expiry is judged by for the package chosen for this slot; 0: it is not judged.
// Without a server, what was loaded before under the authority in force goes on.
std::uint64_t Agent::expiry_unix_s(const Slot& slot, MutableBytes buffer) const {
  const bool goes_on =
      offline_ && (keeps_on_after_expiry_ ||
                   was_loaded(trust_, slot.identity.hardware_id, slot.chosen, buffer));
  return goes_on ? 0 : now_unix_s();
}

bool Agent::needs_entry(const FileName& entry) {
  for (const Slot& slot : slots_)
    if (!slot.identity.hardware_id.empty() && entry_file(slot.identity.hardware_id) == entry)
      return true;
  return false;
}

bool Agent::needs_package(const Digest& digest) {
  for (const Slot& slot : slots_)
    if (slot.chosen == digest || slot.loaded == digest) return true;
  return false;
}

// Brings the next sync forward, never back; while offline the retry interval rules.
void Agent::plan_sync(std::uint32_t delay_ms) {
  const std::uint32_t at = ports_.clock.now_ms() + delay_ms;
  if (!offline_ && static_cast<std::int32_t>(next_sync_ms_ - at) > 0) next_sync_ms_ = at;
}

Result<std::size_t> Agent::read_config(unsigned slot, MutableBytes out) {
  if (slot >= slots_.size() || slots_[slot].state == SlotState::empty) return fail(Errc::no_device);
  const eeprom::Extent extent = slots_[slot].identity.configuration;
  if (extent.length == 0) return std::size_t{0};
  if (extent.length > out.size()) return fail(Errc::limit);
  EepromSource source(ports_.i2c, slot, slots_[slot]);
  MPYD_TRY(source.read(extent.offset, out.first(extent.length)));
  return std::size_t{extent.length};
}

void Agent::eeprom_was_read(unsigned slot) {
  if (slot < slots_.size()) slots_[slot].counter = Slot::kCounterUnknown;
}

}  // namespace mpyd::agent
