// Pass 2, attach, and the trial a driver stands before it is trusted with the motherboard.
#include "device-agent/core/agent.hpp"
#include "protocol/decimal.hpp"

namespace mpyd::agent {

// Which boards go first after an unclean reset: those whose driver was not on trial then, all at
// once; then the suspects one at a time, those with the fewest resets first. So a guilty driver
// takes no innocent one along into quarantine.
bool Agent::waits_for_trial(unsigned index) const {
  const Slot& slot = slots_[index];
  const unsigned resets = trials_.resets(slot.chosen);
  if (resets == 0) return !trials_.has_room(slot.chosen);
  if (resets >= Trials::kResetsMax) return false;
  if (trials_.is_any_running()) return true;
  for (unsigned i = 0; i < slots_.size(); ++i)
    if (i != index && comes_before(slots_[i], resets)) return true;
  return false;
}

// Is this board's driver to be loaded before a suspect with so many resets? One that is still being
// decided, too, but not for longer than a trial: nobody waits for a flapping contact.
bool Agent::comes_before(const Slot& other, unsigned resets) const {
  if (other.load_pending) return trials_.resets(other.chosen) < resets;
  return (other.state == SlotState::identifying || other.state == SlotState::waiting) &&
         ports_.clock.now_ms() - other.plugged_ms < config_.trial_ms;
}

void Agent::refuse_quarantined(unsigned index) {
  Detail out;
  out.append("this package was on trial when the motherboard went down, ");
  append_decimal(out, Trials::kResetsMax);
  out.append(
      " times in a row; another release, another firmware, or the operator's try-again clears it");
  refuse(index, Errc::quarantined, out.view());
}

// Unless another board uses the same code.
void Agent::end_trial_of(const Digest& digest) {
  if (find_module(digest) == DriverLoader::kNoModule) trials_.leave(digest);
}

DriverLoader::Module Agent::find_module(const Digest& digest) const {
  for (const Slot& slot : slots_)
    if (slot.module != DriverLoader::kNoModule && slot.loaded == digest) return slot.module;
  return DriverLoader::kNoModule;
}

// Code is loaded once per package, however many boards use it.
Result<DriverLoader::Module> Agent::load_module() {
  Slot& slot = slots_[job_slot_];
  if (const DriverLoader::Module shared = find_module(slot.chosen);
      shared != DriverLoader::kNoModule) {
    MPYD_TRY(trials_.enter(slot.chosen));
    return shared;
  }
  // Without this check the loader would find out, having taken all there is.
  if (!ports_.loader.has_room(is_native_, ram_bytes_)) return fail(Errc::memory);
  const DriverLoader::Request request{.digest = slot.chosen,
                                      .name = driver_name_.view(),
                                      .plain_bytes = verified_.plain_bytes,
                                      .ram_bytes = ram_bytes_};
  CachedPackage cached(ports_.store, package_file(slot.identity.hardware_id, slot.chosen));
  EepromSource on_board(ports_.i2c, job_slot_, slot, slot.identity.package.offset);
  PackageSource& source = origin_ == trust::PackageOrigin::cache
                              ? static_cast<PackageSource&>(cached)
                              : static_cast<PackageSource&>(on_board);
  MPYD_TRY(trials_.enter(slot.chosen));
  PackageReader reader(verified_, source, work_);
  auto module = ports_.loader.load(request, reader);
  reader.wipe();
  return module;
}

void Agent::step_load() {
  const unsigned index = job_slot_;
  Slot& slot = slots_[index];
  release_driver(index);  // its predecessor, if the server chose another
  slot.load_pending = false;
  const auto module = load_module();
  if (!module) {
    end_trial_of(slot.chosen);
    return abandon(module.error());
  }
  const auto attached = ports_.loader.attach(*module, index);
  trials_.settle(slot.chosen, ports_.clock.now_ms());
  if (!attached) {
    if (find_module(slot.chosen) == DriverLoader::kNoModule) ports_.loader.unload(*module);
    end_trial_of(slot.chosen);
    return abandon(attached.error());
  }
  finish_job();
  slot.attempts = 0;
  slot.module = *module;
  slot.loaded = slot.chosen;
  slot.error = {};
  slot.state = SlotState::running;
  // Losing this costs at most the driver after policy has expired.
  (void)save_loaded(trust_, ports_.store, slot.identity.hardware_id, slot.loaded, message_);
  notify(EventKind::loaded, index, {}, summary_.view(), ports_.clock.now_ms() - slot.plugged_ms);
}

}  // namespace mpyd::agent
