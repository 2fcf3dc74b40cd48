#include "device-agent/core/trials.hpp"

#include "device-agent/core/cache.hpp"
#include "mpyd/v1/identity.npb.h"
#include "protocol/nanopb_io.hpp"

namespace mpyd::agent {
namespace {

constexpr const char* kFile = "trials";

}  // namespace

Result<void> Trials::start(std::string_view firmware) {
  firmware_ = crypto::sha256(as_bytes(firmware));
  count_ = 0;
  if (const auto loaded = load(); !loaded) {
    count_ = 0;
    // A damaged journal accuses nobody.
    const Errc error = loaded.error();
    return error == Errc::io || error == Errc::memory || error == Errc::unsupported
               ? Result<void>{fail(error)}
               : Result<void>{};
  }
  bool is_changed = false;
  for (unsigned i = 0; i < count_; ++i) {
    Trial& trial = trials_[i];
    if (!trial.is_running) continue;
    trial.is_running = false;
    if (trial.resets < kResetsMax) ++trial.resets;
    is_changed = true;
  }
  return is_changed ? save() : Result<void>{};
}

const Trials::Trial* Trials::find(const Digest& digest) const {
  for (unsigned i = 0; i < count_; ++i)
    if (trials_[i].digest == digest) return &trials_[i];
  return nullptr;
}

Trials::Trial* Trials::find(const Digest& digest) {
  return const_cast<Trial*>(static_cast<const Trials*>(this)->find(digest));
}

unsigned Trials::resets(const Digest& digest) const {
  const Trial* trial = find(digest);
  return trial != nullptr ? trial->resets : 0;
}

bool Trials::is_any_running() const {
  for (unsigned i = 0; i < count_; ++i)
    if (trials_[i].is_running) return true;
  return false;
}

// The one with the fewest resets of those that do not run, the oldest first; null if all run.
const Trials::Trial* Trials::least() const {
  const Trial* least = nullptr;
  for (unsigned i = 0; i < count_; ++i)
    if (!trials_[i].is_running && (least == nullptr || trials_[i].resets < least->resets))
      least = &trials_[i];
  return least;
}

bool Trials::has_room(const Digest& digest) const {
  return count_ < kTrialsMax || find(digest) != nullptr || least() != nullptr;
}

Result<void> Trials::enter(const Digest& digest) {
  Trial* trial = find(digest);
  if (trial == nullptr) {
    if (!has_room(digest)) return fail(Errc::limit);
    if (count_ == kTrialsMax) erase(least());
    trial = &trials_[count_++];
    *trial = {.digest = digest};
  }
  trial->is_running = true;
  trial->is_settled = false;
  return save();
}

void Trials::settle(const Digest& digest, std::uint32_t now_ms) {
  Trial* trial = find(digest);
  if (trial == nullptr) return;
  trial->is_settled = true;
  trial->settled_ms = now_ms;
}

void Trials::leave(const Digest& digest) {
  const Trial* trial = find(digest);
  if (trial == nullptr) return;
  erase(trial);
  (void)save();
}

void Trials::end_those_over(std::uint32_t now_ms, std::uint32_t trial_ms) {
  const unsigned before = count_;
  for (unsigned i = count_; i-- > 0;)
    if (trials_[i].is_running && trials_[i].is_settled &&
        now_ms - trials_[i].settled_ms >= trial_ms)
      erase(&trials_[i]);
  if (count_ != before) (void)save();
}

void Trials::erase(const Trial* trial) {
  auto at = static_cast<unsigned>(trial - trials_.data());
  for (--count_; at < count_; ++at) trials_[at] = trials_[at + 1];
}

Result<void> Trials::load() {
  std::array<std::byte, mpyd_v1_SavedTrials_size> file{};
  MPYD_TRY_ASSIGN(const Bytes bytes, read_file(*store_, kFile, file));
  mpyd_v1_SavedTrials m{};
  MPYD_TRY(pb::decode(bytes, mpyd_v1_SavedTrials_fields, m));
  MPYD_TRY(pb::check_format(m.format, 0));
  if (!same_bytes(pb::view_of(m.firmware), firmware_.bytes())) return {};
  for (pb_size_t i = 0; i < m.trials_count; ++i) {
    Trial& trial = trials_[i];
    trial = {};
    MPYD_TRY_ASSIGN(trial.digest, pb::fixed_of<Digest>(m.trials[i].digest));
    trial.resets = static_cast<std::uint8_t>(m.trials[i].resets < kResetsMax ? m.trials[i].resets
                                                                             : kResetsMax);
    trial.is_running = m.trials[i].running;
  }
  count_ = m.trials_count;
  return {};
}

Result<void> Trials::save() {
  std::array<std::byte, mpyd_v1_SavedTrials_size> file{};
  mpyd_v1_SavedTrials m{};
  m.format = kFormat;
  pb::assign(m.firmware, firmware_.bytes());
  for (unsigned i = 0; i < count_; ++i) {
    mpyd_v1_Trial& trial = m.trials[m.trials_count++];
    pb::assign(trial.digest, trials_[i].digest.bytes());
    trial.resets = trials_[i].resets;
    trial.running = trials_[i].is_running;
  }
  MPYD_TRY_ASSIGN(const std::size_t size, pb::encode(m, mpyd_v1_SavedTrials_fields, file));
  return write_if_changed(*store_, kFile, Bytes(file).first(size));
}

}  // namespace mpyd::agent
