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
  candidate_ = 0;
  best_release_ = 0;
  best_ = {};
  best_error_ = is_verdict(offline_error_) ? offline_error_ : Errc::unreachable;
  kept_choice_ = {};
  avoid_.clear();
  const auto kept = load_answer(ports_.store, slot, trust_.authority(), work_);
  if (!kept && kept.error() == Errc::memory) {
    slot.decided_offline = false;  // next time: what the server said last must not be passed over
    return;
  }
  if (kept) {
    avoid_ = kept->avoid;
    kept_choice_ = kept->package_digest;
    if (kept_choice_.is_zero())
      return refuse(index, kept->reason == Errc{} ? Errc::no_driver : kept->reason,
                    "the server's last word on this board was that it has no driver");
  }
  job_ = Job::choose_local;
}

// One candidate a step: first the EEPROM's package, then the cache's. What the server chose last is
// taken as soon as it is found and trust still accepts it.
void Agent::step_choose_local() {
  Digest digest;
  const auto release = weigh_next(digest);
  // A file that only looks like a package of ours, or cannot be read, hides none behind it.
  const bool is_end = !release && release.error() == Errc::not_found && digest.is_zero();
  if ((is_end && candidate_ > 0) || candidate_ == kCandidatesMax) return give_up_choosing();
  if (!release) {
    if (!start_open_key(release.error())) pass_candidate(release.error(), digest);
    return;
  }
  ++candidate_;
  if (digest == kept_choice_) {
    choose_local(digest, "offline: what the server chose last");
  } else if (*release > best_release_) {
    best_release_ = *release;
    best_ = digest;
  }
}

void Agent::pass_candidate(Errc error, const Digest& digest) {
  ++candidate_;
  if (error != Errc::not_found && !digest.is_zero()) best_error_ = error;
}

// The release number of candidate_, and its digest: zero if there is none.
Result<std::uint32_t> Agent::weigh_next(Digest& digest) {
  const Slot& slot = slots_[job_slot_];
  if (candidate_ == 0) {
    digest = slot.eeprom_digest;
    if (digest.is_zero()) return fail(Errc::not_found);
    EepromSource source(ports_.i2c, job_slot_, config_.eeprom_address,
                        slot.identity.package.offset);
    return weigh_candidate(digest, source, trust::PackageOrigin::eeprom);
  }
  MPYD_TRY_ASSIGN(digest, find_cached(ports_.store, slot.identity.hardware_id, candidate_ - 1));
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
  slot.chosen = digest;
  slot.load_pending = true;
  notify(EventKind::chosen, job_slot_, {}, why);
}

// No candidate is left: the best of them, or none.
void Agent::give_up_choosing() {
  if (best_release_ != 0) return choose_local(best_, "offline: the newest that lies here");
  finish_job();
  slots_[job_slot_].chosen = {};
  if (best_error_ == Errc::quarantined) return refuse_quarantined(job_slot_);
  refuse(job_slot_, best_error_,
         best_error_ == Errc::unreachable ? "the server cannot be reached and no driver lies here"
                                          : tell_refusal(best_error_).view());
}

}  // namespace mpyd::agent
