// The conversation with the server: sync, and walking the root.
#include "device-agent/core/agent.hpp"

#include "protocol/decimal.hpp"
#include "protocol/package/key_block.hpp"

namespace mpyd::agent {
namespace {

constexpr std::uint64_t kCounterBlock = 64;          // one write of state for so many requests
constexpr std::uint64_t kTimeSaveInterval_s = 3600;  // flash wears
constexpr unsigned kHttpOk = 200;
constexpr std::string_view kSyncPath = "/v1/device/sync";
constexpr std::string_view kRootPath = "/v1/device/root/";

// Reasons that no other try at the same package cures, as long as firmware and board are the same.
// Of everything else, a damaged transfer included, a refresh may bring better news.
bool is_final(Errc error) {
  switch (error) {
    case Errc::wrong_hardware:
    case Errc::wrong_abi:
    case Errc::missing_module:
    case Errc::driver_error:
    case Errc::load_error:
    case Errc::quarantined:
      return true;
    default:
      return false;
  }
}

Errc error_of(sync::Status status) {
  switch (status) {
    case sync::Status::revoked:
      return Errc::revoked;
    case sync::Status::refused:
      return Errc::forbidden;
    case sync::Status::not_approved:
      return Errc::not_approved;
    default:
      return Errc::unknown_device;
  }
}

}  // namespace

// The server's word on this device, in contrast to no word.
bool Agent::is_verdict(Errc error) {
  return error == Errc::revoked || error == Errc::forbidden || error == Errc::not_approved ||
         error == Errc::unknown_device;
}

void Agent::start_sync() {
  job_ = Job::sync;
  received_ = 0;
  const std::uint32_t now = ports_.clock.now_ms();
  // From here on: a board plugged while this exchange is on its way brings the next one forward.
  next_sync_ms_ = now + config_.sync_interval_ms;
  if (static_cast<std::int32_t>(next_refresh_ms_ - now) <= 0) {
    // Now and then about every board: releases and policy change.
    for (Slot& slot : slots_) slot.wants_answer |= slot.has_power;
    next_refresh_ms_ = now + config_.sync_interval_ms;
  }
  if (is_round_over_) to_report_ = ~std::uint64_t{0};
  const auto size = build_request();
  if (!size) return go_offline(size.error());
  const auto started =
      exchange_.start({.path = kSyncPath,
                       .host = server().host.c_str(),
                       .port = server().port,
                       .body = message_.first(*size),
                       .answer_bytes_max = static_cast<std::uint32_t>(message_.size()),
                       .stall_timeout_ms = config_.sync_timeout_ms,
                       .total_timeout_ms = config_.sync_timeout_ms},
                      now);
  if (!started) go_offline(started.error());
}

// The whole sealed request, in message_. Errors: io, limit.
Result<std::size_t> Agent::build_request() {
  if (counter_ + 1 >= counter_reserved_) {
    MPYD_TRY(save_number(ports_.store, "counter", counter_ + kCounterBlock));
    counter_reserved_ = counter_ + kCounterBlock;
  }
  const SyncRequest request{
      .counter = ++counter_,
      .root_version = trust_.root().version,
      .targets_epoch = trust_.root().targets_epoch,
      .head_version = trust_.head().version,
      .fleet_generation = fleet_generation_,
      .answer_bytes_max = static_cast<std::uint32_t>(message_.size()),
      .abi = &config_.abi,
      .firmware = config_.firmware,
      .enroll_token = enroll_token_.view(),
      .slots = slots_,
      .first = to_report_ | reported_,
      .events = &events_,
      .store = &ports_.store,
      .store_slot = store_.phase == Store::Phase::ask ? store_.slot : kSlotNone};
  MPYD_TRY_ASSIGN(const EncodedRequest encoded,
                  encode_sync_request(request, message_.subspan(sync::kRequestMessageOffset)));
  left_out_ = encoded.left_out;
  reported_ = request.first & ~left_out_;
  to_report_ = request.first & left_out_;
  store_.was_asked = request.store_slot != kSlotNone && (left_out_ >> request.store_slot & 1U) == 0;
  events_.mark_sent();
  MPYD_TRY(ports_.entropy.fill(request_nonce_.mutable_bytes()));
  const std::size_t total = sync::seal_request(
      message_, encoded.bytes, {device_key_, server_key_id_, request_nonce_}, box_key_);
  request_digest_ = crypto::sha256(message_.first(total));
  return total;
}

// Moves what arrived to the end of message_. True when the answer is complete; on failure offline.
bool Agent::receive_body(std::size_t limit) {
  const auto body = exchange_.step(work_, ports_.clock.now_ms());
  if (!body) {
    go_offline(body.error());
    return false;
  }
  if (received_ + body->size() > limit) {
    go_offline(Errc::limit);
    return false;
  }
  copy_bytes(*body, message_.subspan(received_));
  received_ += static_cast<std::uint32_t>(body->size());
  if (!exchange_.complete()) return false;
  exchange_.close();
  if (exchange_.status() == kHttpOk) return true;
  go_offline(exchange_.status() == 404 ? Errc::not_found : Errc::unreachable);
  return false;
}

void Agent::step_sync() {
  if (!receive_body(message_.size())) return;
  const MutableBytes answer = message_.first(received_);
  const auto message = sync::open_answer(answer, box_key_);
  if (message) {
    handle_answer(*message);
    return crypto::wipe(answer);  // content keys lay in it
  }
  // The server has another key: only root may say so, hence that answer itself changes nothing.
  if (message.error() == Errc::key_retired && roots_walked_ < kRootWalkMax)
    return start_root_walk(trust_.root().version + 1);
  go_offline(message.error());
}

void Agent::handle_answer(Bytes message) {
  const auto answer = decode_sync_answer(message);
  if (!answer) return go_offline(answer.error());
  if (answer->request_nonce != request_nonce_ || answer->request_digest != request_digest_)
    return go_offline(Errc::replayed);
  const auto status = static_cast<sync::Status>(answer->status);
  if (status == sync::Status::counter) return follow_counter(answer->last_counter);
  if (status == sync::Status::revoked) be_revoked(answer->message.view());
  if (status != sync::Status::ok) return go_offline(error_of(status), answer->message.view());
  if (const auto accepted = accept_answer(*answer, message); !accepted)
    go_offline(accepted.error());
}

// A device that lost its state finds its way back above the server's number. Once between two
// accepted answers; a server that repeats itself waits like one that cannot be reached.
void Agent::follow_counter(std::uint64_t last_counter) {
  finish_job();
  // Far beyond any device's life, and far below what servers count to: a server that lies takes no
  // device out of the reach of an honest one.
  constexpr std::uint64_t kHighest = std::uint64_t{1} << 62;
  if (counter_told_ || last_counter < counter_ || last_counter > kHighest)
    return go_offline(Errc::replayed);
  counter_told_ = true;
  counter_ = counter_reserved_ = last_counter;
  next_sync_ms_ = ports_.clock.now_ms();
}

Result<void> Agent::accept_answer(const SyncAnswer& answer, Bytes message) {
  // A new root first: it may change who signs heads. Then ask again under it.
  if (answer.root_version > trust_.root().version && roots_walked_ < kRootWalkMax) {
    start_root_walk(trust_.root().version + 1);
    return {};
  }
  MPYD_TRY(accept_time(answer.server_unix_s));
  if (!answer.head.empty()) {
    MPYD_TRY_ASSIGN(const bool changed,
                    trust_.accept_head(answer.head, answer.server_unix_s, work_));
    if (changed) notify(EventKind::trust_changed, Event::kNoSlot);
  }
  MPYD_TRY(accept_orders(answer, message));
  finish_job();
  events_.drop_sent();
  enroll_token_.clear();
  roots_walked_ = 0;
  counter_told_ = false;
  if (!fetch_broke_) retry_ms_ = config_.retry_min_ms;
  offline_ = false;
  // Boards that did not fit, here or there, come next.
  reported_ = 0;
  is_round_over_ = !answer.more && (to_report_ & left_out_) == 0;
  if (!is_round_over_) next_sync_ms_ = ports_.clock.now_ms();
  // Last, because what is refused now wants to be reported soon.
  MPYD_TRY(visit_slot_answers(message, *this));
  if (store_.was_asked && !answer.more && store_.phase == Store::Phase::ask)
    end_store(Errc::not_found, "the server has no key block for this package and this fleet");
  notify(EventKind::synced, Event::kNoSlot);
  return {};
}

Result<void> Agent::accept_time(std::uint64_t server_unix_s) {
  last_sync_unix_s_ = server_unix_s;
  // Back, too: a server whose clock was wrong once must not have the last word.
  const std::uint64_t apart = last_sync_unix_s_ > saved_sync_unix_s_
                                  ? last_sync_unix_s_ - saved_sync_unix_s_
                                  : saved_sync_unix_s_ - last_sync_unix_s_;
  if (apart <= kTimeSaveInterval_s) return {};
  MPYD_TRY(save_number(ports_.store, "time", last_sync_unix_s_));
  saved_sync_unix_s_ = last_sync_unix_s_;
  return {};
}

void Agent::on_slot_answer(const SlotAnswer& answer) {
  if (answer.slot >= slots_.size()) return;
  Slot& slot = slots_[answer.slot];
  // The board may have changed since we asked.
  if (!slot.has_power || slot.hash_pending || answer.hardware_id != slot.identity.hardware_id ||
      answer.revision != slot.identity.revision || answer.eeprom_digest != slot.eeprom_digest)
    return;
  slot.wants_answer = false;
  slot.decided_offline = false;
  if (const auto kept = keep_answer(answer); !kept) return refuse(answer.slot, kept.error());
  follow(answer.slot, answer);
  if (stores_into(answer.slot)) take_store_answer(answer);
}

// What an answer brings along is kept before it is followed. Errors: those of accept_entry; io;
// untrusted if a package comes without an entry that the head in force proves.
Result<void> Agent::keep_answer(const SlotAnswer& answer) {
  const bool has_package = !answer.package_digest.is_zero();
  if (answer.has_entry) {
    const bool is_known = ports_.store.size(entry_file(answer.hardware_id).c_str()).has_value();
    MPYD_TRY(trust_.accept_entry(answer.entry, answer.hardware_id, work_));
    // What stays too long costs room only.
    if (!is_known) (void)forget_surplus_entries(trust_, ports_.store, *this, work_);
  }
  if (has_package && !answer.has_entry) return fail(Errc::untrusted);
  if (has_package && answer.has_key)
    MPYD_TRY(keys_.save(answer.package_digest, answer.content_key));
  // Losing this only costs the offline choice its memory.
  (void)save_answer(ports_.store, answer, trust_.authority(), work_);
  return {};
}

// The server's word decides, downward too.
void Agent::follow(unsigned index, const SlotAnswer& answer) {
  Slot& slot = slots_[index];
  if (answer.package_digest.is_zero()) {
    const Errc reason = answer.reason == Errc{} ? Errc::no_driver : answer.reason;
    if (slot.state == SlotState::refused && slot.error == reason && slot.chosen.is_zero()) return;
    release_driver(index);
    slot.chosen = {};
    return refuse(index, reason, answer.message.view());
  }
  const bool is_new = answer.package_digest != slot.chosen;
  if (answer.try_again && trials_.is_quarantined(answer.package_digest)) {
    trials_.leave(answer.package_digest);
    slot.error = {};
  }
  slot.chosen = answer.package_digest;
  slot.chosen_bytes = answer.package_bytes;
  if (slot.loaded == slot.chosen) {
    slot.load_pending = false;
    slot.error = {};
    return;
  }
  if (!is_new && is_final(slot.error)) return;
  slot.load_pending = true;
  // A board that is served already counts from here: nobody waited for this since the plug.
  if (slot.state == SlotState::running || slot.state == SlotState::refused)
    slot.plugged_ms = ports_.clock.now_ms();
  if (is_new) notify(EventKind::chosen, index, {}, answer.message.view());
}

// No answer within its bound: decide with what lies here, and try again later.
void Agent::go_offline(Errc error, std::string_view detail) {
  exchange_.close();
  finish_job();
  roots_walked_ = 0;
  counter_told_ = false;
  is_round_over_ = true;
  // What the server said is news, also after it could not be reached.
  const bool is_news = !offline_ || (error != offline_error_ && is_verdict(error));
  offline_ = true;
  offline_error_ = error;
  if (store_.slot != kSlotNone && store_.phase == Store::Phase::ask) end_store(error, detail);
  if (is_news)
    notify(EventKind::offline, Event::kNoSlot, error, detail.empty() ? describe(error) : detail);
  // A server that moved and cannot be reached may be where it was.
  if (!is_verdict(error)) try_provisioned_ = !try_provisioned_;
  next_sync_ms_ = ports_.clock.now_ms() + retry_ms_;
  retry_ms_ = retry_ms_ * 2 < config_.retry_max_ms ? retry_ms_ * 2 : config_.retry_max_ms;
}

void Agent::start_root_walk(std::uint32_t version) {
  job_ = Job::walk_root;
  received_ = 0;
  ++roots_walked_;
  InlineText<48> path;
  path.append(kRootPath);
  append_decimal(path, version);
  const auto started = exchange_.start({.path = path.view(),
                                        .host = server().host.c_str(),
                                        .port = server().port,
                                        .answer_bytes_max = kDocumentBytesMax,
                                        .stall_timeout_ms = config_.sync_timeout_ms,
                                        .total_timeout_ms = config_.sync_timeout_ms},
                                       ports_.clock.now_ms());
  if (!started) go_offline(started.error());
}

void Agent::step_root_walk() {
  if (!receive_body(kDocumentBytesMax)) return;
  if (const auto accepted = trust_.accept_root(message_.first(received_), message_, work_);
      !accepted)
    return go_offline(accepted.error());
  if (const auto usable = use_server_key(); !usable) return go_offline(usable.error());
  notify(EventKind::trust_changed, Event::kNoSlot);
  finish_job();
  next_sync_ms_ = ports_.clock.now_ms();
}

}  // namespace mpyd::agent
