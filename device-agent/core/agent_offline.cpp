// The choice without a server: what it said last, or the newest acceptable package that lies here.
#include "device-agent/core/agent.hpp"

namespace mpyd::agent {
namespace {

// Packages weighed for one board: a folder full of strays must not keep the agent busy for ever.
constexpr unsigned kCandidatesMax = 32;

}  // namespace

void Agent::start_choose_local(unsigned index) {
  Slot& slot = slots_[index];
  slot.decided_offline = true;
  if (is_revoked_)
    return refuse(index, Errc::revoked, "the server revoked this device, so nothing is loaded");
  candidate_ = cached_ = 0;
  on_eeprom_ = true;
  eeprom_weighed_ = false;
  eeprom_first_ = {slot.identity.package, slot.identity.key_block, slot.eeprom_digest};
  eeprom_best_ = {};
  best_release_ = 0;
  best_ = {};
  best_error_ = is_verdict(offline_error_) ? offline_error_ : Errc::unreachable;
  eeprom_error_ = {};
  kept_choice_ = {};
  avoid_.clear();
  const auto kept = load_answer(ports_.store, slot, trust_.authority(), work_);
  if (!kept && kept.error() == Errc::memory) {
    slot.decided_offline = false;  // next time: what the server said last must not be passed over
    return;
  }
  if (kept) avoid_ = kept->avoid;
  if (kept && kept->is_for_board) {
    kept_choice_ = kept->package_digest;
    if (kept_choice_.is_zero())
      return refuse(index, kept->reason == Errc{} ? Errc::no_driver : kept->reason,
                    "the server's last word on this board was that it has no driver");
  }
  job_ = Job::choose_local;
}

// One candidate a step: first the EEPROM's packages, then the cache's, so that none that is
// revoked, or not good any more, hides an older one. What the server chose last is taken as soon as
// it is found and trust still accepts it.
void Agent::step_choose_local() {
  if (candidate_ >= kCandidatesMax) return give_up_choosing();
  if (on_eeprom_ && eeprom_weighed_) {
    on_eeprom_ = take_next_on_eeprom();
    return;
  }
  Digest digest;
  const auto release = weigh_next(digest);
  // A file that only looks like a package of ours, or cannot be read, hides none behind it.
  const bool is_end = !release && release.error() == Errc::not_found && digest.is_zero();
  if (is_end && !on_eeprom_) return give_up_choosing();
  if (!release && start_open_key(release.error())) return;  // then it is weighed again
  // Contacts bounce.
  if (!release && is_bus_trouble(release.error()) && ++slots_[job_slot_].attempts < kReadAttempts)
    return;
  pass_candidate(release ? Errc{} : release.error(), digest);
  if (!release) return;
  if (digest == kept_choice_) {
    best_ = digest;
    if (on_eeprom_) keep_as_best();
    choose_local(digest, "offline: what the server chose last");
  } else if (*release > best_release_) {
    best_release_ = *release;
    best_ = digest;
    eeprom_best_ = {};
    if (on_eeprom_) keep_as_best();
  }
}

void Agent::pass_candidate(Errc error, const Digest& digest) {
  ++candidate_;
  if (on_eeprom_)
    eeprom_weighed_ = true;
  else
    ++cached_;
  if (error == Errc{} || error == Errc::not_found || digest.is_zero()) return;
  best_error_ = error;
  if (on_eeprom_) eeprom_error_ = error;
}

void Agent::keep_as_best() {
  const Slot& slot = slots_[job_slot_];
  eeprom_best_ = {slot.identity.package, slot.identity.key_block, slot.eeprom_digest};
}

// The next package on the EEPROM whose ABI fits is the slot's now; its digest is made first. False:
// there is none.
bool Agent::take_next_on_eeprom() {
  Slot& slot = slots_[job_slot_];
  eeprom::BoardIdentity next;
  const auto has_more = find_next_package(slot, next);
  if (has_more && !*has_more) return false;
  const auto fits = has_more ? package_fits(slot, next.package.offset) : has_more;
  if (!fits) return ++slot.attempts < kReadAttempts;
  ++candidate_;
  slot.identity = next;
  slot.eeprom_digest = {};
  if (!*fits) return true;
  eeprom_weighed_ = false;
  key_tried_ = false;
  hash_ = crypto::Sha256();
  job_offset_ = 0;
  job_ = Job::hash_eeprom;
  after_hash_ = Job::choose_local;
  return true;
}

// The release number of the candidate, and its digest: zero if there is none.
Result<std::uint32_t> Agent::weigh_next(Digest& digest) {
  Slot& slot = slots_[job_slot_];
  if (on_eeprom_) {
    digest = slot.eeprom_digest;
    if (digest.is_zero()) return fail(Errc::not_found);
    EepromSource source(ports_.i2c, job_slot_, slot, slot.identity.package.offset);
    return weigh_candidate(digest, source, trust::PackageOrigin::eeprom);
  }
  MPYD_TRY_ASSIGN(digest, find_cached(ports_.store, slot.identity.hardware_id, cached_));
  CachedPackage source(ports_.store, package_file(slot.identity.hardware_id, digest));
  return weigh_candidate(digest, source, trust::PackageOrigin::cache);
}

// The release number of a package that ABI and trust accept. Errors: why not.
Result<std::uint32_t> Agent::weigh_candidate(const Digest& digest, PackageSource& source,
                                             trust::PackageOrigin origin) {
  origin_ = origin;
  for (const Digest& avoided : avoid_)
    if (avoided == digest) return fail(Errc::revoked);
  if (trials_.is_quarantined(digest)) return fail(Errc::quarantined);
  MPYD_TRY(read_package_head(source));
  slots_[job_slot_].chosen = digest;
  MPYD_TRY(approve_head());
  return check_.head().manifest.release;
}

// check_ holds the head then, in stage approval. Errors: those of the source and of check_.
Result<void> Agent::read_package_head(PackageSource& source) {
  constexpr std::size_t kStart = kRecordHeaderBytes + kHeadFixedBytes;
  MPYD_TRY(source.read(0, message_.first(kStart)));
  MPYD_TRY_ASSIGN(const std::size_t size, package_head_bytes(message_.first(kStart)));
  MPYD_TRY(source.read(0, message_.first(size)));
  reason_.clear();
  check_.start(work_);
  MPYD_TRY(check_.feed(message_.first(size)));
  return {};
}

void Agent::choose_local(const Digest& digest, std::string_view why) {
  Slot& slot = slots_[job_slot_];
  finish_job();
  show_on_eeprom(eeprom_best_.digest == digest ? eeprom_best_ : eeprom_first_);
  slot.chosen = digest;
  slot.load_pending = true;
  notify(EventKind::chosen, job_slot_, {}, why);
}

void Agent::show_on_eeprom(const OnEeprom& package) {
  Slot& slot = slots_[job_slot_];
  slot.identity.package = package.package;
  slot.identity.key_block = package.key_block;
  slot.eeprom_digest = package.digest;
}

// No candidate is left: the best of them, or none.
void Agent::give_up_choosing() {
  if (best_release_ != 0) {
    Detail why;
    why.append("offline: the newest that lies here");
    if (eeprom_error_ != Errc{}) {
      why.append("; not what is on the board's EEPROM: ");
      why.append(describe(eeprom_error_));
    }
    return choose_local(best_, why.view());
  }
  finish_job();
  show_on_eeprom(eeprom_first_);
  slots_[job_slot_].chosen = {};
  if (best_error_ == Errc::quarantined) return refuse_quarantined(job_slot_);
  refuse(job_slot_, best_error_,
         best_error_ == Errc::unreachable ? "the server cannot be reached and no driver lies here"
                                          : tell_refusal(best_error_).view());
}

}  // namespace mpyd::agent
