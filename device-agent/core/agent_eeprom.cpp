// Jobs on a board's EEPROM: which of its packages is the board's, and its digest.
#include "device-agent/core/agent.hpp"

namespace mpyd::agent {

// Of several packages on a board the first whose ABI fits is the board's; where none fits, the
// last, so that a refusal can name it. True: the next one is the board's now and to be weighed.
// Errors: those of the bus.
Result<bool> Agent::pass_over_package(Slot& slot) {
  EepromSource whole(ports_.i2c, job_slot_, config_.eeprom_address);
  eeprom::BoardIdentity next = slot.identity;
  const auto more = eeprom::next_package(whole, next);
  if (!more && is_bus_trouble(more.error())) return fail(more.error());
  if (!more || !*more) return false;
  EepromSource package(ports_.i2c, job_slot_, config_.eeprom_address, slot.identity.package.offset);
  const auto read = read_package_head(package);
  if (!read && is_bus_trouble(read.error())) return fail(read.error());
  if (read && config_.abi.accepts(check_.head().manifest.abi)) return false;
  slot.identity = next;
  return true;
}

// One package a step.
void Agent::step_weigh_eeprom() {
  Slot& slot = slots_[job_slot_];
  const auto passed_over = pass_over_package(slot);
  if (passed_over && *passed_over) return;
  if (passed_over) {
    job_ = Job::hash_eeprom;
    return;
  }
  // Tried again; a pull ends it, and so does a part that never reads.
  if (++slot.attempts >= kReadAttempts) slot.hash_pending = false;
  finish_job();
}

// The server wants to know which package lies on the board; nothing is decided here.
void Agent::step_hash_eeprom() {
  Slot& slot = slots_[job_slot_];
  const eeprom::Extent extent = slot.identity.package;
  EepromSource source(ports_.i2c, job_slot_, config_.eeprom_address, extent.offset);
  const std::uint32_t left = extent.length - job_offset_;
  const MutableBytes piece = message_.first(left < kPieceBytes ? left : kPieceBytes);
  if (!source.read(job_offset_, piece)) {
    // Tried again from the start, as above.
    if (++slot.attempts >= kReadAttempts) slot.hash_pending = false;
    return finish_job();
  }
  hash_.update(piece);
  job_offset_ += static_cast<std::uint32_t>(piece.size());
  if (job_offset_ < extent.length) return;
  slot.eeprom_digest = hash_.finish();
  slot.hash_pending = false;
  finish_job();
}

}  // namespace mpyd::agent
