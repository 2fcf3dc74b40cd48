// Jobs on one package: hashing, choosing offline, pass 1, pass 2. One job at a time.
#include "device-agent/core/agent.hpp"

#include "protocol/package/key_block.hpp"

namespace mpyd::agent {
namespace {

constexpr std::uint32_t kPieceBytes = 2048;  // read of an EEPROM or the cache in one step
constexpr std::uint8_t kReadAttempts = 8;
constexpr std::uint32_t kNetworkWait_ms = 5;  // between looks at a quiet connection
constexpr std::uint32_t kPackageBytesMax = 2 * kPlainBytesMax;
constexpr std::string_view kPackagePath = "/v1/packages/";

}  // namespace

bool Agent::job_slot_is_gone() const { return slots_[job_slot_].generation != job_generation_; }

bool Agent::pick_job() {
  for (unsigned i = 0; i < slots_.size(); ++i) {
    job_slot_ = i;
    job_generation_ = slots_[i].generation;
    job_offset_ = 0;
    if (slots_[i].hash_pending) {
      hash_ = crypto::Sha256();
      job_ = Job::hash_eeprom;
      return true;
    }
    if (slots_[i].load_pending) {
      start_loading(i);
      return job_ != Job::none;
    }
    if (offline_ && slots_[i].wants_answer && !slots_[i].decided_offline &&
        slots_[i].module == DriverLoader::kNoModule) {
      start_choose_local(i);
      return job_ != Job::none;
    }
  }
  const std::uint32_t now = ports_.clock.now_ms();
  if (static_cast<std::int32_t>(next_sync_ms_ - now) > 0) return false;
  start_sync();
  return job_ != Job::none;
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
    case Job::hash_eeprom:
      step_hash_eeprom();
      return 0;
    case Job::choose_local:
      step_choose_local();
      return 0;
    case Job::fetch:
      return step_fetch();
    case Job::verify:
      step_verify();
      return 0;
    case Job::load:
      step_load();
      return 0;
  }
  return 0;
}

// The server wants to know which package lies on the board; nothing is decided here.
void Agent::step_hash_eeprom() {
  Slot& slot = slots_[job_slot_];
  const eeprom::Extent extent = slot.identity.package;
  EepromSource source(ports_.i2c, job_slot_, config_.eeprom_address, extent.offset);
  const std::uint32_t left = extent.length - job_offset_;
  const MutableBytes piece = message_.first(left < kPieceBytes ? left : kPieceBytes);
  if (!source.read(job_offset_, piece)) {
    // Tried again from the start; a pull ends it, and so does a part that never reads.
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

// --- pass 1 ---------------------------------------------------------------------------------

// From the cache if it is there, from the EEPROM if that holds it, else from the network.
void Agent::start_loading(unsigned index) {
  Slot& slot = slots_[index];
  reason_.clear();
  check_.start(work_);
  if (is_cached(ports_.store, slot.identity.hardware_id, slot.chosen)) {
    origin_ = trust::PackageOrigin::cache;
  } else if (slot.eeprom_digest == slot.chosen) {
    origin_ = trust::PackageOrigin::eeprom;
  } else {
    origin_ = trust::PackageOrigin::network;
    return start_fetch(index);
  }
  if (slot.module == DriverLoader::kNoModule) slot.state = SlotState::verifying;
  job_ = Job::verify;
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
                                        .host = server_host_.c_str(),
                                        .port = server_port_,
                                        .answer_bytes_max = slot.chosen_bytes,
                                        .stall_timeout_ms = config_.stall_timeout_ms,
                                        .total_timeout_ms = config_.fetch_timeout_ms},
                                       ports_.clock.now_ms());
  if (!started) abandon(started.error());
}

// Returns how long to wait before the next look.
std::uint32_t Agent::step_fetch() {
  const auto body = exchange_.step(message_.first(kPieceBytes), ports_.clock.now_ms());
  Result<void> good = body ? take_fetched(*body) : fail(body.error());
  if (good && exchange_.complete()) good = finish_fetch();
  if (!good) abandon(good.error());
  return body && body->empty() ? kNetworkWait_ms : 0;
}

Result<void> Agent::take_fetched(Bytes body) {
  if (exchange_.has_head() && exchange_.status() != 200)
    return fail(exchange_.status() == 404 ? Errc::not_found : Errc::unreachable);
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
  origin_ = trust::PackageOrigin::cache;
  job_ = Job::load;
  return {};
}

void Agent::step_verify() {
  if (const auto good = verify_piece(); !good) abandon(good.error());
}

Result<void> Agent::verify_piece() {
  const Slot& slot = slots_[job_slot_];
  const FileName name = package_file(slot.identity.hardware_id, slot.chosen);
  CachedPackage cached(ports_.store, name);
  EepromSource on_board(ports_.i2c, job_slot_, config_.eeprom_address,
                        slot.identity.package.offset);
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

  MPYD_TRY_ASSIGN(const trust::PolicyEntry entry,
                  trust_.load_entry(slot.identity.hardware_id, now_unix_s(), scratch));
  const trust::TargetsHead& targets = trust_.head();
  MPYD_TRY(trust::verify_release(
      head, entry, {targets.revoked_keys.begin(), targets.revoked_keys.size()},
      slot.identity.hardware_id, slot.identity.revision, origin_, scratch));
  MPYD_TRY(trust::verify_digest_policy(slot.chosen, entry));
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
  ContentKey key;
  if (manifest.encryption == Encryption::secretstream) {
    const auto kept = keys_.load(slot.chosen);
    if (!kept || commitment_of(*kept) != manifest.commitment) return fail(Errc::no_key);
    key = *kept;
  }
  verified_ = make_verified(head, key);
  crypto::wipe(key.mutable_bytes());
  driver_name_ = manifest.driver_name;
  ram_bytes_ = manifest.ram_bytes;
  summary_.clear();
  summary_.append(manifest.driver_name.view());
  summary_.append(' ');
  summary_.append(manifest.version.view());
  summary_.append(" (");
  summary_.append(format_abi(manifest.abi).view());
  summary_.append(')');
  return {};
}

Result<void> Agent::accept_whole_package() {
  if (check_.finish_digest() == slots_[job_slot_].chosen) return {};
  reason_.append("the package is not the one that was chosen");
  return fail(Errc::bad_digest);
}

// Pass 1 or 2 failed: nothing of the package stays behind.
void Agent::abandon(Errc error, std::string_view detail) {
  const unsigned index = job_slot_;
  Slot& slot = slots_[index];
  exchange_.close();
  ports_.store.abort();
  crypto::wipe(verified_.content_key.mutable_bytes());
  finish_job();
  const bool is_damage = error == Errc::bad_digest || error == Errc::truncated ||
                         error == Errc::malformed || error == Errc::trailing;
  if (origin_ == trust::PackageOrigin::cache && is_damage)
    (void)ports_.store.remove(package_file(slot.identity.hardware_id, slot.chosen).c_str());
  const bool is_offline = error == Errc::unreachable || error == Errc::timeout;
  if (origin_ != trust::PackageOrigin::network || !is_offline)
    return refuse(index, error, detail.empty() ? reason_.view() : detail);
  // The network broke in the middle: what lies here may still do.
  if (slot.module == DriverLoader::kNoModule) slot.state = SlotState::waiting;
  slot.load_pending = false;
  slot.wants_answer = true;
  go_offline(error);
}

// --- pass 2 ---------------------------------------------------------------------------------

DriverLoader::Module Agent::find_module(const Digest& digest) const {
  for (const Slot& slot : slots_)
    if (slot.module != DriverLoader::kNoModule && slot.loaded == digest) return slot.module;
  return DriverLoader::kNoModule;
}

// Code is loaded once per package, however many boards use it.
Result<DriverLoader::Module> Agent::load_module() {
  const Slot& slot = slots_[job_slot_];
  if (const DriverLoader::Module shared = find_module(slot.chosen);
      shared != DriverLoader::kNoModule)
    return shared;
  const DriverLoader::Request request{.digest = slot.chosen,
                                      .name = driver_name_.view(),
                                      .plain_bytes = verified_.plain_bytes,
                                      .ram_bytes = ram_bytes_};
  CachedPackage cached(ports_.store, package_file(slot.identity.hardware_id, slot.chosen));
  EepromSource on_board(ports_.i2c, job_slot_, config_.eeprom_address,
                        slot.identity.package.offset);
  PackageSource& source = origin_ == trust::PackageOrigin::cache
                              ? static_cast<PackageSource&>(cached)
                              : static_cast<PackageSource&>(on_board);
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
  crypto::wipe(verified_.content_key.mutable_bytes());
  if (!module) return abandon(module.error());
  const auto attached = ports_.loader.attach(*module, index);
  if (!attached) {
    if (find_module(slot.chosen) == DriverLoader::kNoModule) ports_.loader.unload(*module);
    return abandon(attached.error());
  }
  finish_job();
  slot.module = *module;
  slot.loaded = slot.chosen;
  slot.error = {};
  slot.state = SlotState::running;
  notify(EventKind::loaded, index, {}, summary_.view(), ports_.clock.now_ms() - slot.plugged_ms);
}

// --- offline --------------------------------------------------------------------------------

// The kept answer, if it was given for exactly this board and its package lies here; else weigh
// every package that does.
void Agent::start_choose_local(unsigned index) {
  Slot& slot = slots_[index];
  slot.decided_offline = true;
  avoid_.clear();
  if (const auto kept = load_answer(ports_.store, slot, trust_.authority(), work_)) {
    avoid_ = kept->avoid;
    if (kept->package_digest.is_zero())
      return refuse(index, kept->reason == Errc{} ? Errc::no_driver : kept->reason,
                    "the server's last word on this board was that it has no driver");
    if (kept->package_digest == slot.eeprom_digest ||
        is_cached(ports_.store, slot.identity.hardware_id, kept->package_digest)) {
      slot.chosen = kept->package_digest;
      slot.load_pending = true;
      return notify(EventKind::chosen, index, {}, "offline: what the server chose last");
    }
  }
  candidate_ = 0;
  best_release_ = 0;
  best_ = {};
  best_error_ = Errc::unreachable;
  job_ = Job::choose_local;
}

// One candidate a step: first the EEPROM's package, then the cache's.
void Agent::step_choose_local() {
  Slot& slot = slots_[job_slot_];
  Digest digest;
  Result<std::uint32_t> release = fail(Errc::not_found);
  if (candidate_ == 0) {
    digest = slot.eeprom_digest;
    EepromSource source(ports_.i2c, job_slot_, config_.eeprom_address,
                        slot.identity.package.offset);
    if (!digest.is_zero()) release = weigh_candidate(digest, source, trust::PackageOrigin::eeprom);
  } else {
    const auto cached = find_cached(ports_.store, slot.identity.hardware_id, candidate_ - 1);
    if (!cached) {
      finish_job();
      slot.chosen = best_;
      if (best_release_ == 0)
        return refuse(job_slot_, best_error_,
                      best_error_ == Errc::unreachable
                          ? "the server cannot be reached and no driver lies here"
                          : describe(best_error_));
      slot.load_pending = true;
      return notify(EventKind::chosen, job_slot_, {}, "offline: the newest that lies here");
    }
    digest = *cached;
    CachedPackage source(ports_.store, package_file(slot.identity.hardware_id, digest));
    release = weigh_candidate(digest, source, trust::PackageOrigin::cache);
  }
  ++candidate_;
  if (!release) {
    if (release.error() != Errc::not_found) best_error_ = release.error();
  } else if (*release > best_release_) {
    best_release_ = *release;
    best_ = digest;
  }
}

// The release number of a package that ABI and trust accept. Errors: why not.
Result<std::uint32_t> Agent::weigh_candidate(const Digest& digest, PackageSource& source,
                                             trust::PackageOrigin origin) {
  Slot& slot = slots_[job_slot_];
  for (const Digest& avoided : avoid_)
    if (avoided == digest) return fail(Errc::revoked);
  constexpr std::size_t kStart = kRecordHeaderBytes + kHeadFixedBytes;
  MPYD_TRY(source.read(0, message_.first(kStart)));
  MPYD_TRY_ASSIGN(const std::size_t size, package_head_bytes(message_.first(kStart)));
  MPYD_TRY(source.read(0, message_.first(size)));
  check_.start(work_);
  MPYD_TRY(check_.feed(message_.first(size)));
  origin_ = origin;
  slot.chosen = digest;
  MPYD_TRY(approve_head());
  return check_.head().manifest.release;
}

}  // namespace mpyd::agent
