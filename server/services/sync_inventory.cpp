#include "server/services/sync_inventory.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "protocol/sync/report.hpp"
#include "server/services/token_service.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

constexpr std::uint32_t kRefusalsMax = 1'000'000;  // more of them tell nobody more

Admission refuse(sync::Status status, std::string message) {
  return {.status = status, .message = std::move(message)};
}

// What an enrolled device is told before anything is written.
std::optional<Admission> judge(const Device& device, const ExchangeKey& key,
                               const SyncRequest& request) {
  if (device.public_key != key)
    return refuse(sync::Status::unknown_device, "this device key is not enrolled here");
  switch (device.state) {
    case DeviceState::enrolled:
      break;
    case DeviceState::waiting:
      return refuse(sync::Status::not_approved,
                    "this device waits for its approval: mpyd device approve " + device.id);
    case DeviceState::replaced:
      return refuse(sync::Status::revoked, "another device took the place of this one");
    case DeviceState::revoked:
      return refuse(sync::Status::revoked, "the operator revoked this device");
  }
  if (request.counter <= device.last_counter)
    return Admission{.status = sync::Status::counter,
                     .last_counter = device.last_counter,
                     .message = "the counter is not above the last one"};
  return std::nullopt;
}

// Why this token enrols nobody now, if so.
std::optional<std::string> why_not(const std::optional<Token>& token, std::uint64_t now_unix_s) {
  if (!token) return "the token is not known here";
  if (const auto usable = token->usable(now_unix_s); !usable) return usable.error().message;
  if (!token->scopes.allows(Scopes::enroll)) return "the token is not one for enrolling devices";
  return std::nullopt;
}

// First contact: a new device, if its token says so.
Result<std::optional<Admission>> enroll(Transaction& tx, const ExchangeKey& key,
                                        const Digest& token_hash, std::uint64_t now_unix_s,
                                        RefusedStrangers& strangers, Device& device) {
  MPYD_TRY_ASSIGN(const auto token, find_token(tx.tokens(), token_hash));
  if (const auto reason = why_not(token, now_unix_s)) {
    // Somebody was given this token: the operator may want to know who comes too late.
    if (token && strangers.is_news(key, now_unix_s))
      MPYD_TRY(
          tx.audit().append({now_unix_s, "token:" + token->name, "device-refused", device_id(key),
                             boost::json::serialize(boost::json::object{{"reason", *reason}})}));
    return refuse(sync::Status::unknown_device, *reason);
  }
  device = Device{.id = device_id(key),
                  .public_key = key,
                  .state = token->needs_approval ? DeviceState::waiting : DeviceState::enrolled,
                  .enrolled_unix_s = now_unix_s,
                  .token_name = token->name};
  MPYD_TRY(use_token(tx.tokens(), *token, now_unix_s));
  MPYD_TRY(tx.devices().add(device));
  MPYD_TRY(tx.audit().append({now_unix_s, "token:" + token->name,
                              token->needs_approval ? "device-wait" : "device-enroll", device.id}));
  return std::nullopt;
}

// What is kept of a slot that was reported before. A try-again that no answer has told yet outlasts
// everything but another board: a motherboard that is off, or still reads its boards, says nothing
// of a quarantine. One that was told ends with the quarantine.
DeviceSlot with_retries(const DeviceSlot& before, const DeviceSlot& reported) {
  DeviceSlot out = reported;
  if (before.retries == 0) return out;
  const bool is_other = !reported.hardware_id.empty() && reported.hardware_id != before.hardware_id;
  if (is_other || (!before.is_retry_pending() && !reported.is_quarantined())) return out;
  out.retries = before.retries;
  if (out.hardware_id.empty()) out.hardware_id = before.hardware_id;
  return out;
}

// May the board have been elsewhere since the last report? Motherboards tell when they notice that
// one is gone, and when they load its driver anew; one that was off finds its boards again.
bool was_open(const SyncRequest& request, const DeviceSlot& reported) {
  if (reported.state <= static_cast<std::uint32_t>(sync::SlotState::waiting)) return true;
  using enum sync::EventKind;
  return std::ranges::any_of(request.events, [&](const DeviceEvent& e) {
    const auto is = [&](sync::EventKind kind) {
      return e.kind == static_cast<std::uint32_t>(kind);
    };
    return e.slot == reported.slot && (is(plugged) || is(identified) || is(loaded) || is(removed));
  });
}

// Since when the server knows of no moment without this very board in this slot.
std::uint64_t board_since(const DeviceSlot* before, const DeviceSlot& reported, bool was_open,
                          std::uint64_t now_unix_s) {
  const bool stayed = before != nullptr && !was_open &&
                      before->hardware_id == reported.hardware_id &&
                      same_bytes({before->serial.begin(), before->serial.size()},
                                 {reported.serial.begin(), reported.serial.size()});
  return stayed ? before->board_since_unix_s : now_unix_s;
}

Result<void> store_reported(Transaction& tx, const std::string& id, const DeviceSlot* before,
                            const DeviceSlot& reported, bool was_open, std::uint64_t now_unix_s) {
  DeviceSlot slot = before != nullptr ? with_retries(*before, reported) : reported;
  slot.board_since_unix_s = board_since(before, reported, was_open, now_unix_s);
  const bool same = before != nullptr && before->same_as(slot);
  if (same && before->retries == slot.retries &&
      before->board_since_unix_s == slot.board_since_unix_s)
    return {};
  slot.since_unix_s = same ? before->since_unix_s : now_unix_s;
  return tx.devices().put_slot(id, slot);
}

// A board that had no room in this request is what it was.
bool is_unreported(const SyncRequest& request, std::uint32_t slot) {
  return slot < kBoardsPerSyncMax && (request.unreported_slots >> slot & 1U) != 0;
}

// An empty slot is nothing to keep, unless a try-again waits for its board.
Result<void> store_empty(Transaction& tx, const std::string& id, const DeviceSlot& before,
                         std::uint64_t now_unix_s) {
  if (!before.is_retry_pending()) return tx.devices().remove_slot(id, before.slot);
  const DeviceSlot empty{.slot = before.slot, .state = 0};
  return store_reported(tx, id, &before, empty, true, now_unix_s);
}

Result<void> store_slots(Transaction& tx, const std::string& id, const SyncRequest& request,
                         std::uint64_t now_unix_s, std::vector<std::uint32_t>& retry_slots) {
  MPYD_TRY_ASSIGN(const auto present, tx.devices().slots(id));
  for (const BoardReport& board : request.boards) {
    const DeviceSlot& reported = board.inventory;
    const auto found = std::ranges::find(present, reported.slot, &DeviceSlot::slot);
    const DeviceSlot* before = found == present.end() ? nullptr : &*found;
    MPYD_TRY(store_reported(tx, id, before, reported, was_open(request, reported), now_unix_s));
    if (before != nullptr && reported.is_quarantined() &&
        with_retries(*before, reported).retries != 0)
      retry_slots.push_back(reported.slot);
  }
  for (const DeviceSlot& slot : present) {
    const auto occupied = [&](const BoardReport& b) { return b.inventory.slot == slot.slot; };
    if (std::ranges::any_of(request.boards, occupied)) continue;
    if (is_unreported(request, slot.slot))
      MPYD_TRY(store_reported(tx, id, &slot, slot, was_open(request, slot), now_unix_s));
    else
      MPYD_TRY(store_empty(tx, id, slot, now_unix_s));
  }
  return {};
}

AuditEvent audit_event(const std::string& id, const DeviceEvent& event, std::uint64_t now_unix_s) {
  boost::json::object detail{{"slot", event.slot}};
  if (!event.digest.is_zero()) detail["digest"] = to_hex(event.digest.bytes());
  if (event.error != 0) detail["error"] = name(static_cast<Errc>(event.error));
  if (event.duration_ms != 0) detail["duration_ms"] = event.duration_ms;
  return {now_unix_s, "device:" + id, "board-" + std::string(device_event_name(event.kind)),
          event.hardware_id, boost::json::serialize(detail)};
}

std::string places_text(const std::string& a, const std::string& b) {
  return a < b ? a + " " + b : b + " " + a;
}

// One serial in two places at once, as far as the store knows after this report: written down once
// a day for each pair of motherboards.
Result<void> raise_clone_alarms(Transaction& tx, const Device& device, std::uint64_t now_unix_s) {
  MPYD_TRY_ASSIGN(const auto slots, tx.devices().slots(device.id));
  for (const DeviceSlot& slot : slots) {
    MPYD_TRY_ASSIGN(const auto clones, tx.devices().clones(device, slot, kClonesToldMax));
    for (const DeviceStore::Place& other : clones) {
      const Bytes serial(slot.serial.begin(), slot.serial.size());
      const std::string places = places_text(device.id, other.device_id);
      MPYD_TRY_ASSIGN(const bool is_news,
                      tx.devices().add_clone_alarm({slot.hardware_id, serial, places, now_unix_s},
                                                   now_unix_s - kCloneAlarmEvery_s));
      if (!is_news) continue;
      MPYD_TRY(tx.audit().append(
          {now_unix_s, "device:" + device.id, "board-cloned", slot.hardware_id,
           boost::json::serialize(boost::json::object{{"serial", to_hex(serial)},
                                                      {"slot", slot.slot},
                                                      {"other_device", other.device_id},
                                                      {"other_slot", other.slot}})}));
    }
  }
  return {};
}

// Of an earlier hour only the number of what is missing remains to be told.
Result<void> open_hour(Transaction& tx, std::uint64_t now_unix_s, Device& device) {
  const std::uint64_t hour = now_unix_s / 3600;
  if (device.event_hour == hour) return {};
  if (device.event_drops != 0)
    MPYD_TRY(tx.audit().append(
        {now_unix_s, "device:" + device.id, "board-events-dropped", device.id,
         boost::json::serialize(boost::json::object{{"count", device.event_drops},
                                                    {"hour_unix_s", device.event_hour * 3600}})}));
  device.event_hour = hour;
  device.event_rows = device.event_drops = 0;
  return {};
}

Result<void> store_events(Transaction& tx, const SyncRequest& request, std::uint64_t now_unix_s,
                          Device& device) {
  MPYD_TRY(open_hour(tx, now_unix_s, device));
  for (const DeviceEvent& event : request.events) {
    if (device.event_rows == kEventRowsPerHourMax) {
      ++device.event_drops;
      continue;
    }
    ++device.event_rows;
    MPYD_TRY(tx.audit().append(audit_event(device.id, event, now_unix_s)));
  }
  return {};
}

Result<void> count_retries(Transaction& tx, const std::string& id,
                           const std::vector<std::uint32_t>& slots) {
  if (slots.empty()) return {};
  MPYD_TRY_ASSIGN(auto present, tx.devices().slots(id));
  for (DeviceSlot& slot : present) {
    if (slot.retries == 0 || std::ranges::find(slots, slot.slot) == slots.end()) continue;
    --slot.retries;
    MPYD_TRY(tx.devices().put_slot(id, slot));
  }
  return {};
}

// Counted with the events: a device that asks without end does not fill the disk.
Result<void> tell_stored(Transaction& tx, const std::string& id,
                         const std::vector<Answered::Stored>& stored, std::uint64_t now_unix_s) {
  if (stored.empty()) return {};
  MPYD_TRY_ASSIGN(auto device, tx.devices().find(id));
  if (!device) return fail(Errc::not_found, "there is no device " + id);
  MPYD_TRY(open_hour(tx, now_unix_s, *device));
  for (const Answered::Stored& each : stored) {
    if (device->event_rows == kEventRowsPerHourMax) {
      ++device->event_drops;
      continue;
    }
    ++device->event_rows;
    MPYD_TRY(tx.audit().append({now_unix_s, "device:" + id, "key-block", each.hardware_id,
                                boost::json::serialize(boost::json::object{
                                    {"slot", each.slot}, {"digest", each.digest}})}));
  }
  return tx.devices().update(*device);
}

bool tells_refusal(const SyncRequest& request) {
  return std::ranges::any_of(
             request.boards,
             [](const BoardReport& b) { return is_refusal_by_trust(b.inventory.error); }) ||
         std::ranges::any_of(request.events,
                             [](const DeviceEvent& e) { return is_refusal_by_trust(e.error); });
}

// What the device says of itself.
void take_report(const SyncRequest& request, std::uint64_t now_unix_s, Device& device) {
  device.last_counter = request.counter;
  device.last_seen_unix_s = now_unix_s;
  device.abi = request.abi;
  device.firmware = request.firmware;
  device.agent_version = request.agent_version;
}

Result<Admission> record(Transaction& tx, const ExchangeKey& key, const SyncRequest& request,
                         std::uint64_t now_unix_s, RefusedStrangers& strangers) {
  MPYD_TRY_ASSIGN(const auto known, tx.devices().find(device_id(key)));
  Device device;
  if (known) {
    if (auto refused = judge(*known, key, request)) return *std::move(refused);
    device = *known;
  } else {
    if (!request.enroll_token_hash)
      return refuse(sync::Status::unknown_device, "this device key is not enrolled here");
    MPYD_TRY_ASSIGN(auto refused,
                    enroll(tx, key, *request.enroll_token_hash, now_unix_s, strangers, device));
    if (refused) return *std::move(refused);
  }
  take_report(request, now_unix_s, device);
  Admission admission;
  if (device.state == DeviceState::enrolled) {
    if (tells_refusal(request))
      device.refusals = std::min(device.refusals, kRefusalsMax) + 1;
    else if (request.unreported_slots == 0)
      device.refusals = 0;
    MPYD_TRY(store_slots(tx, device.id, request, now_unix_s, admission.retry_slots));
    MPYD_TRY(store_events(tx, request, now_unix_s, device));
  } else {
    admission = *judge(device, key, request);
  }
  MPYD_TRY(tx.devices().update(device));
  if (device.state == DeviceState::enrolled) MPYD_TRY(raise_clone_alarms(tx, device, now_unix_s));
  return admission;
}

}  // namespace

bool RefusedStrangers::is_news(const ExchangeKey& device_key, std::uint64_t now_unix_s) {
  const std::uint64_t hour = now_unix_s / 3600;
  if (hour != hour_) written_.clear();
  hour_ = hour;
  if (written_.size() == kRowsPerHourMax ||
      std::ranges::find(written_, device_key) != written_.end())
    return false;
  written_.push_back(device_key);
  return true;
}

Result<Admission> admit(Store& store, const ExchangeKey& device_key, const SyncRequest& request,
                        std::uint64_t now_unix_s, RefusedStrangers& strangers) {
  const std::string id = device_id(device_key);
  MPYD_TRY_ASSIGN(const auto known,
                  store.get([&](const Snapshot& s) { return s.devices().find(id); }));
  // Whoever is refused does not get as far as the one writer.
  if (!known && !request.enroll_token_hash)
    return refuse(sync::Status::unknown_device, "this device key is not enrolled here");
  if (known)
    if (auto refused = judge(*known, device_key, request)) return *std::move(refused);

  Admission admission;
  const Result<void> written = store.write(
      [&](Transaction& tx) -> Result<void> {
        MPYD_TRY_ASSIGN(admission, record(tx, device_key, request, now_unix_s, strangers));
        return {};
      },
      // A device relies on having been enrolled; the rest may be lost with the last moments.
      known ? Durability::relaxed : Durability::full);
  MPYD_TRY(written);
  return admission;
}

Result<void> record_answer(Store& store, const std::string& id, const Answered& answered,
                           std::uint64_t now_unix_s) {
  if (answered.retry_slots.empty() && answered.stored.empty()) return {};
  return store.write(
      [&](Transaction& tx) -> Result<void> {
        MPYD_TRY(count_retries(tx, id, answered.retry_slots));
        return tell_stored(tx, id, answered.stored, now_unix_s);
      },
      Durability::relaxed);
}

}  // namespace mpyd::server
