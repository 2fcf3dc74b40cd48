// Jobs on a board's EEPROM: which of its packages is the board's, its digest, and the content key
// that lies beside it.
#include "device-agent/core/agent.hpp"
#include "protocol/package/key_block.hpp"

namespace mpyd::agent {
namespace {

// More than the largest EEPROM has ABIs for; one that shows a new package each time it is asked
// must not keep the agent busy for ever.
constexpr std::uint8_t kPackagesWeighedMax = 32;

}  // namespace

// The package behind that of slot.identity is that of `next` then. Errors: those of the bus.
Result<bool> Agent::find_next_package(Slot& slot, eeprom::BoardIdentity& next) {
  EepromSource whole(ports_.i2c, job_slot_, slot);
  next = slot.identity;
  const auto more = eeprom::next_package(whole, next);
  if (!more && is_bus_trouble(more.error())) return fail(more.error());
  return more && *more;
}

// Is it one, and for this motherboard's ABI? Errors: those of the bus.
Result<bool> Agent::package_fits(Slot& slot, std::uint32_t offset) {
  EepromSource package(ports_.i2c, job_slot_, slot, offset);
  const auto read = read_package_head(package);
  if (!read && is_bus_trouble(read.error())) return fail(read.error());
  return read && config_.abi.accepts(check_.head().manifest.abi);
}

// Of several packages on a board the first whose ABI fits is the board's; where none fits, the
// last, so that a refusal can name it. True: the next one is the board's now and to be weighed.
// Errors: those of the bus.
Result<bool> Agent::pass_over_package(Slot& slot) {
  eeprom::BoardIdentity next;
  MPYD_TRY_ASSIGN(const bool has_more, find_next_package(slot, next));
  if (!has_more) return false;
  MPYD_TRY_ASSIGN(const bool fits, package_fits(slot, slot.identity.package.offset));
  if (fits) return false;
  slot.identity = next;
  return true;
}

// One package a step.
void Agent::step_weigh_eeprom() {
  Slot& slot = slots_[job_slot_];
  const auto passed_over = pass_over_package(slot);
  if (passed_over && *passed_over && ++weighed_ < kPackagesWeighedMax) return;
  if (passed_over) {
    slot.attempts = 0;
    job_ = Job::hash_eeprom;
    after_hash_ = Job::none;
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
  EepromSource source(ports_.i2c, job_slot_, slot, extent.offset);
  const std::uint32_t left = extent.length - job_offset_;
  const MutableBytes piece = message_.first(left < kPieceBytes ? left : kPieceBytes);
  if (!source.read(job_offset_, piece)) {
    // Tried again from the start, as above.
    if (++slot.attempts >= kReadAttempts) {
      slot.hash_pending = false;
      return end_hash();
    }
    if (after_hash_ == Job::none) return finish_job();
    hash_ = crypto::Sha256();
    job_offset_ = 0;
    return;
  }
  hash_.update(piece);
  job_offset_ += static_cast<std::uint32_t>(piece.size());
  if (job_offset_ < extent.length) return;
  slot.eeprom_digest = hash_.finish();
  slot.hash_pending = false;
  end_hash();
}

// Back to the choice without a server, if that is whence it came.
void Agent::end_hash() {
  slots_[job_slot_].attempts = 0;
  finish_job();
  job_ = after_hash_;
}

// Where no content key is kept for the package in hand, and one may lie on the board, sealed to the
// fleet. True: this comes first now, then what was being done again. check_ holds the package's
// head, whose signatures and policy were found good.
bool Agent::start_open_key(Errc error) {
  const Slot& slot = slots_[job_slot_];
  const eeprom::Extent block = slot.identity.key_block;
  if (error != Errc::no_key || key_tried_ || slot.chosen != slot.eeprom_digest ||
      block.length == 0 || block.length > kKeyBlockBytesMax || fleet_generation_ == 0)
    return false;
  key_tried_ = true;
  after_open_key_ = job_ == Job::choose_local ? Job::choose_local : Job::verify;
  begin_open_key();
  job_ = Job::open_key;
  return true;
}

void Agent::begin_open_key() {
  fleet_key_ = 0;
  fleet_public_ = {};
  crypto::wipe(opened_key_.mutable_bytes());
}

// One public-key operation a step: first a fleet key's own id, then its entry.
void Agent::step_open_key() {
  const auto opened = read_and_try_fleet_key();
  if (opened && !*opened && fleet_key_ < kFleetKeysMax) return;
  end_open_key(!opened && is_bus_trouble(opened.error()) ? opened.error() : Errc::no_key);
}

Result<bool> Agent::read_and_try_fleet_key() {
  Slot& slot = slots_[job_slot_];
  const eeprom::Extent extent = slot.identity.key_block;
  const MutableBytes block = message_.first(extent.length);
  EepromSource source(ports_.i2c, job_slot_, slot, extent.offset);
  MPYD_TRY(source.read(0, block));
  return try_fleet_key(block);
}

// True if the key is open. Errors: those of bus and store; malformed, limit.
Result<bool> Agent::try_fleet_key(Bytes block) {
  MPYD_TRY(key_block_bytes(block));
  SecretKey secret;
  const auto loaded = fleet_.load(fleet_key_, secret);
  if (!loaded && loaded.error() == Errc::not_found) fleet_key_ = kFleetKeysMax;
  if (!loaded) {
    ++fleet_key_;
    return false;
  }
  if (fleet_public_.is_zero()) {
    fleet_public_ = crypto::x25519_public(secret);
    if (!has_recipient(block, key_id(fleet_public_.bytes()))) {
      fleet_public_ = {};
      ++fleet_key_;
    }
  } else {
    const PackageHead& head = check_.head();
    const auto key = open_content_key(block, secret, fleet_public_, head.manifest_digest,
                                      head.manifest.commitment);
    if (key) opened_key_ = *key;
    fleet_public_ = {};
    ++fleet_key_;
  }
  crypto::wipe(secret.mutable_bytes());
  return !opened_key_.is_zero();
}

void Agent::end_open_key(Errc error) {
  job_ = after_open_key_;
  if (!opened_key_.is_zero()) {
    job_offset_ = 0;
    if (job_ == Job::verify) start_loading(job_slot_);
    return;  // else the same candidate is weighed again
  }
  if (job_ == Job::choose_local) return pass_candidate(error, slots_[job_slot_].chosen);
  abandon(error);
}

}  // namespace mpyd::agent
