// Jobs on one package: pass 1, pass 2. One job at a time.
#include "device-agent/core/agent.hpp"

#include "protocol/decimal.hpp"
#include "protocol/package/key_block.hpp"

namespace mpyd::agent {
namespace {

constexpr std::uint32_t kNetworkWait_ms = 5;  // between looks at a quiet connection
constexpr std::uint32_t kPackageBytesMax = 2 * kPlainBytesMax;
constexpr unsigned kHttpOk = 200;
constexpr unsigned kHttpNotFound = 404;
constexpr std::string_view kPackagePath = "/v1/packages/";

// The copy is not what was signed; another one may be good. `untrusted` because a flipped bit in
// the id of a signature's key names a stranger.
bool is_damage(Errc error) {
  switch (error) {
    case Errc::truncated:
    case Errc::trailing:
    case Errc::bad_magic:
    case Errc::malformed:
    case Errc::unsupported:
    case Errc::limit:
    case Errc::bad_signature:
    case Errc::threshold:
    case Errc::bad_digest:
    case Errc::decryption:
    case Errc::untrusted:
      return true;
    default:
      return false;
  }
}

// Is the reason in the package, not in the motherboard or in what the driver did?
bool is_about_package(Errc error) {
  return static_cast<unsigned>(error) < static_cast<unsigned>(Errc::no_driver);
}

// "6.2 KiB"
InlineText<24> in_kib(std::uint32_t bytes) {
  InlineText<24> out;
  append_decimal(out, bytes / 1024);
  out.append('.');
  append_decimal(out, bytes % 1024 * 10 / 1024);
  out.append(" KiB");
  return out;
}

}  // namespace

void Agent::finish_job() {
  job_ = Job::none;
  crypto::wipe(verified_.content_key.mutable_bytes());
  crypto::wipe(opened_key_.mutable_bytes());
}

bool Agent::job_slot_is_gone() const { return slots_[job_slot_].generation != job_generation_; }

// What makes a board work comes first, then what is asked about it, then the server; what can wait,
// such as writing an EEPROM, fills the gaps.
bool Agent::pick_job() {
  if (pick_load() || pick_eeprom_or_choice()) return true;
  const std::uint32_t now = ports_.clock.now_ms();
  if (static_cast<std::int32_t>(next_sync_ms_ - now) <= 0) {
    start_sync();
    if (job_ != Job::none) return true;
  }
  if (store_.slot == kSlotNone || store_.phase == Store::Phase::ask) return false;
  begin_job(store_.slot);
  job_ = Job::store;
  return true;
}

void Agent::begin_job(unsigned index) {
  job_slot_ = index;
  job_generation_ = slots_[index].generation;
  job_offset_ = 0;
  ram_bytes_ = 0;
  key_tried_ = false;
}

bool Agent::pick_load() {
  for (unsigned i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].load_pending || slots_[i].hash_pending || waits_for_trial(i)) continue;
    begin_job(i);
    start_loading(i);
    return job_ != Job::none;
  }
  return false;
}

bool Agent::pick_eeprom_or_choice() {
  for (unsigned i = 0; i < slots_.size(); ++i) {
    begin_job(i);
    if (slots_[i].hash_pending) {
      hash_ = crypto::Sha256();
      weighed_ = 0;
      job_ = Job::weigh_eeprom;
      return true;
    }
    if (slots_[i].load_pending) continue;
    if (offline_ && slots_[i].wants_answer && !slots_[i].decided_offline &&
        slots_[i].module == DriverLoader::kNoModule) {
      start_choose_local(i);
      // None: its storage did not answer for want of memory; the others do not wait for it.
      if (job_ != Job::none) return true;
    }
  }
  return false;
}

std::uint32_t Agent::step_job() {
  const bool is_about_slot = job_ != Job::sync && job_ != Job::walk_root;
  if (is_about_slot && job_slot_is_gone()) {
    exchange_.close();
    ports_.store.abort();
    finish_job();
    return 0;
  }
  switch (job_) {
    case Job::none:
      return 0;
    case Job::sync:
      step_sync();
      return kNetworkWait_ms;
    case Job::walk_root:
      step_root_walk();
      return kNetworkWait_ms;
    case Job::weigh_eeprom:
      step_weigh_eeprom();
      return 0;
    case Job::hash_eeprom:
      step_hash_eeprom();
      return 0;
    case Job::choose_local:
      step_choose_local();
      return 0;
    case Job::open_key:
      step_open_key();
      return 0;
    case Job::fetch:
      return step_fetch();
    case Job::verify:
      step_verify();
      return 0;
    case Job::load:
      step_load();
      return 0;
    case Job::store:
      return step_store();
  }
  return 0;
}

// --- pass 1 ---------------------------------------------------------------------------------

// From the cache if it is there, from the EEPROM if that holds it, else from the network.
void Agent::start_loading(unsigned index) {
  Slot& slot = slots_[index];
  if (trials_.is_quarantined(slot.chosen)) return refuse_quarantined(index);
  reason_.clear();
  ram_bytes_ = 0;
  check_.start(work_);
  if (is_cached(ports_.store, slot.identity.hardware_id, slot.chosen)) {
    origin_ = trust::PackageOrigin::cache;
  } else if (slot.eeprom_digest == slot.chosen && may_load_from_eeprom(slot)) {
    origin_ = trust::PackageOrigin::eeprom;
  } else {
    origin_ = trust::PackageOrigin::network;
    return start_fetch(index);
  }
  if (slot.module == DriverLoader::kNoModule) slot.state = SlotState::verifying;
  job_ = Job::verify;
}

// Where policy forbids it, the same package may still come from the network.
bool Agent::may_load_from_eeprom(const Slot& slot) {
  const auto entry =
      trust_.load_entry(slot.identity.hardware_id, expiry_unix_s(slot, work_), work_);
  return !entry || entry->eeprom_packages;
}

void Agent::start_fetch(unsigned index) {
  Slot& slot = slots_[index];
  job_ = Job::fetch;
  if (slot.module == DriverLoader::kNoModule) slot.state = SlotState::fetching;
  if (slot.chosen_bytes == 0 || slot.chosen_bytes > kPackageBytesMax) return abandon(Errc::limit);
  InlineText<96> path;
  path.append(kPackagePath);
  path.append(format_digest(slot.chosen).view());
  const FileName name = package_file(slot.identity.hardware_id, slot.chosen);
  if (const auto begun = ports_.store.begin(name.c_str()); !begun) return abandon(begun.error());
  const auto started = exchange_.start({.path = path.view(),
                                        .host = server().host.c_str(),
                                        .port = server().port,
                                        .answer_bytes_max = slot.chosen_bytes,
                                        .stall_timeout_ms = config_.stall_timeout_ms,
                                        .total_timeout_ms = config_.fetch_timeout_ms},
                                       ports_.clock.now_ms());
  if (!started) break_off_fetch(started.error());
}

// Returns how long to wait before the next look.
std::uint32_t Agent::step_fetch() {
  const auto body = exchange_.step(message_.first(kPieceBytes), ports_.clock.now_ms());
  if (!body) {
    break_off_fetch(body.error());
    return 0;
  }
  if (exchange_.has_head() && exchange_.status() != kHttpOk) {
    if (exchange_.status() == kHttpNotFound)
      abandon(Errc::not_found);
    else
      break_off_fetch(Errc::unreachable);
    return 0;
  }
  Result<void> good = take_fetched(*body);
  if (good && exchange_.complete()) good = finish_fetch();
  if (!good) abandon(good.error());
  return body->empty() ? kNetworkWait_ms : 0;
}

Result<void> Agent::take_fetched(Bytes body) {
  if (body.empty()) return {};
  MPYD_TRY(ports_.store.append(body));
  return check_piece(body);
}

// Only a package that is good to its last byte becomes visible in the cache.
Result<void> Agent::finish_fetch() {
  exchange_.close();
  if (check_.stage() != PackageCheck::Stage::complete) return fail(Errc::truncated);
  MPYD_TRY(accept_whole_package());
  MPYD_TRY(ports_.store.commit());
  // A full cache costs room, not the driver.
  (void)forget_surplus_packages(ports_.store, slots_[job_slot_].identity.hardware_id, *this,
                                message_);
  fetch_broke_ = false;
  origin_ = trust::PackageOrigin::cache;
  job_ = Job::load;
  return {};
}

// The network broke in the middle: what lies here may still do.
void Agent::break_off_fetch(Errc error) {
  Slot& slot = slots_[job_slot_];
  ports_.store.abort();
  fetch_broke_ = true;
  slot.load_pending = false;
  slot.wants_answer = true;
  slot.decided_offline = false;
  if (slot.module == DriverLoader::kNoModule) slot.state = SlotState::waiting;
  go_offline(error);
}

void Agent::step_verify() {
  if (const auto good = verify_piece(); !good) abandon(good.error());
}

Result<void> Agent::verify_piece() {
  Slot& slot = slots_[job_slot_];
  const FileName name = package_file(slot.identity.hardware_id, slot.chosen);
  CachedPackage cached(ports_.store, name);
  EepromSource on_board(ports_.i2c, job_slot_, slot, slot.identity.package.offset);
  const bool is_from_cache = origin_ == trust::PackageOrigin::cache;
  std::uint32_t size = slot.identity.package.length;
  if (is_from_cache) {
    MPYD_TRY_ASSIGN(size, ports_.store.size(name.c_str()));
  }
  const std::uint32_t left = size - job_offset_;
  const MutableBytes piece = message_.first(left < kPieceBytes ? left : kPieceBytes);
  MPYD_TRY(is_from_cache ? cached.read(job_offset_, piece) : on_board.read(job_offset_, piece));
  job_offset_ += static_cast<std::uint32_t>(piece.size());
  MPYD_TRY(check_piece(piece));
  if (job_offset_ < size) return {};
  if (check_.stage() != PackageCheck::Stage::complete) return fail(Errc::truncated);
  MPYD_TRY(accept_whole_package());
  job_ = Job::load;
  return {};
}

// Feeds a piece, asking for approval when the head is complete.
Result<void> Agent::check_piece(Bytes piece) {
  while (!piece.empty()) {
    MPYD_TRY_ASSIGN(const std::size_t taken, check_.feed(piece));
    piece = piece.subspan(taken);
    if (check_.stage() != PackageCheck::Stage::approval) continue;
    MPYD_TRY(approve_head());
    check_.approve();
  }
  return {};
}

// Trust, ABI, modules, key: everything the signed head tells, before a byte of the body counts.
Result<void> Agent::approve_head() {
  const Slot& slot = slots_[job_slot_];
  const PackageHead& head = check_.head();
  const Manifest& manifest = head.manifest;
  const MutableBytes scratch = work_.subspan(kPackageHeadBytesMax);

  const auto kept =
      trust_.load_entry(slot.identity.hardware_id, expiry_unix_s(slot, scratch), scratch);
  if (!kept) {
    if (kept.error() == Errc::untrusted)
      reason_.append("no policy entry for this board's hardware ID is in force here");
    return fail(kept.error());
  }
  const trust::PolicyEntry& entry = *kept;
  if (entry.board_refused) {
    reason_.append("the operator refuses this board");
    return fail(Errc::policy);
  }
  const trust::TargetsHead& targets = trust_.head();
  MPYD_TRY(trust::verify_release(
      head, entry, {targets.revoked_keys.begin(), targets.revoked_keys.size()},
      slot.identity.hardware_id, slot.identity.revision, origin_, scratch));
  MPYD_TRY(trust::verify_digest_policy(slot.chosen, entry));
  MPYD_TRY(check_requirements(manifest));
  MPYD_TRY_ASSIGN(ContentKey key, load_content_key(manifest));
  verified_ = make_verified(head, key);
  crypto::wipe(key.mutable_bytes());
  driver_name_ = manifest.driver_name;
  ram_bytes_ = manifest.ram_bytes;
  is_native_ = manifest.abi.is_native();
  summary_.clear();
  summary_.append(manifest.driver_name.view());
  summary_.append(' ');
  summary_.append(manifest.version.view());
  summary_.append(" (");
  summary_.append(format_abi(manifest.abi).view());
  summary_.append(')');
  return {};
}

// What the driver needs of this firmware.
Result<void> Agent::check_requirements(const Manifest& manifest) {
  if (const auto fits = config_.abi.accepts(manifest.abi); !fits) {
    reason_.append(describe(fits.error(), config_.abi, manifest.abi).view());
    return fail(Errc::wrong_abi);
  }
  for (const ModuleName& module : manifest.required_modules) {
    if (ports_.loader.has_builtin_module(module.view())) continue;
    reason_.append("the driver requires the module ");
    reason_.append(module.view());
    reason_.append(", which this firmware lacks");
    return fail(Errc::missing_module);
  }
  return {};
}

// Zero for a public package. Errors: no_key, memory.
Result<ContentKey> Agent::load_content_key(const Manifest& manifest) {
  if (manifest.encryption == Encryption::none) return ContentKey{};
  auto key = keys_.load(slots_[job_slot_].chosen);
  if (key && commitment_of(*key) == manifest.commitment) return key;
  if (key) crypto::wipe(key->mutable_bytes());
  if (commitment_of(opened_key_) == manifest.commitment) return opened_key_;
  return fail(!key && key.error() == Errc::memory ? Errc::memory : Errc::no_key);
}

Result<void> Agent::accept_whole_package() {
  const Digest& chosen = slots_[job_slot_].chosen;
  if (check_.finish_digest() != chosen) {
    reason_.append("the package is not the one that was chosen");
    return fail(Errc::bad_digest);
  }
  // A key from a key block is kept now that it is known whose it is.
  return opened_key_.is_zero() ? Result<void>{} : keys_.save(chosen, opened_key_);
}

// Pass 1 or 2 failed: nothing of the package stays behind.
void Agent::abandon(Errc error) {
  const unsigned index = job_slot_;
  Slot& slot = slots_[index];
  exchange_.close();
  ports_.store.abort();
  if (start_open_key(error)) return;
  finish_job();
  if (origin_ == trust::PackageOrigin::eeprom && is_bus_trouble(error) &&
      ++slot.attempts < kReadAttempts) {
    slot.load_pending = true;  // contacts bounce
    return;
  }
  if (is_damage(error) && forget_copy(index)) {
    // There may be another copy: in the network, on the EEPROM, or of another release.
    slot.wants_answer = true;
    slot.decided_offline = false;
  }
  refuse(index, error, tell_refusal(error).view());
}

// Where the package in hand came from and what is wrong with it, in one sentence.
Agent::Detail Agent::tell_refusal(Errc error) const {
  if (!reason_.empty()) return reason_;
  if (error == Errc::memory) return tell_memory();
  Detail out;
  if (!is_about_package(error)) {
    out.append(describe(error));
    return out;
  }
  out.append("the package ");
  switch (origin_) {
    case trust::PackageOrigin::network:
      out.append("from the server: ");
      break;
    case trust::PackageOrigin::cache:
      out.append("in the cache: ");
      break;
    case trust::PackageOrigin::eeprom:
      out.append("on the board's EEPROM: ");
      break;
  }
  out.append(trust::describe_refusal(error));
  return out;
}

// What is missing, and what to do about it.
Agent::Detail Agent::tell_memory() const {
  const DriverLoader::Room room = ports_.loader.room(is_native_);
  Detail out;
  if (ram_bytes_ == 0) {
    out.append("there is not enough memory to get a driver");
  } else {
    out.append("the driver needs at least ");
    out.append(in_kib(ram_bytes_).view());
  }
  out.append(", the largest free block is ");
  out.append(in_kib(room.largest_block).view());
  out.append(": free memory, then plug the board in again");
  return out;
}

// Of the copy in hand, so that nobody tries it again. False if there is none, or it stays.
bool Agent::forget_copy(unsigned index) {
  Slot& slot = slots_[index];
  if (origin_ == trust::PackageOrigin::network) return false;
  if (origin_ == trust::PackageOrigin::eeprom) {
    slot.eeprom_digest = {};  // the EEPROM no longer shows what was hashed
    return true;
  }
  return ports_.store.remove(package_file(slot.identity.hardware_id, slot.chosen).c_str())
      .has_value();
}

}  // namespace mpyd::agent
