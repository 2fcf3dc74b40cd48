#include "server/services/sync_inventory.hpp"

#include <algorithm>
#include <boost/json.hpp>

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

Result<void> store_reported(Transaction& tx, const std::string& id, const DeviceSlot* before,
                            const DeviceSlot& reported, std::uint64_t now_unix_s) {
  DeviceSlot slot = before != nullptr ? with_retries(*before, reported) : reported;
  const bool same = before != nullptr && before->same_as(slot);
  if (same && before->retries == slot.retries) return {};
  slot.since_unix_s = same ? before->since_unix_s : now_unix_s;
  return tx.devices().put_slot(id, slot);
}

// An empty slot is nothing to keep, unless a try-again waits for its board.
Result<void> store_empty(Transaction& tx, const std::string& id, const DeviceSlot& before,
                         std::uint64_t now_unix_s) {
  if (!before.is_retry_pending()) return tx.devices().remove_slot(id, before.slot);
  const DeviceSlot empty{.slot = before.slot, .state = 0};
  return store_reported(tx, id, &before, empty, now_unix_s);
}

Result<void> store_slots(Transaction& tx, const std::string& id, const SyncRequest& request,
                         std::uint64_t now_unix_s, std::vector<std::uint32_t>& retry_slots) {
  MPYD_TRY_ASSIGN(const auto present, tx.devices().slots(id));
  for (const BoardReport& board : request.boards) {
    const DeviceSlot& reported = board.inventory;
    const auto found = std::ranges::find(present, reported.slot, &DeviceSlot::slot);
    const DeviceSlot* before = found == present.end() ? nullptr : &*found;
    MPYD_TRY(store_reported(tx, id, before, reported, now_unix_s));
    if (before != nullptr && reported.is_quarantined() &&
        with_retries(*before, reported).retries != 0)
      retry_slots.push_back(reported.slot);
  }
  for (const DeviceSlot& slot : present) {
    const auto occupied = [&](const BoardReport& b) { return b.inventory.slot == slot.slot; };
    if (std::ranges::none_of(request.boards, occupied))
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
    device.refusals = tells_refusal(request) ? std::min(device.refusals, kRefusalsMax) + 1 : 0;
    MPYD_TRY(store_slots(tx, device.id, request, now_unix_s, admission.retry_slots));
    MPYD_TRY(store_events(tx, request, now_unix_s, device));
  } else {
    admission = *judge(device, key, request);
  }
  MPYD_TRY(tx.devices().update(device));
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

Result<void> count_retries(Store& store, const std::string& id,
                           const std::vector<std::uint32_t>& slots) {
  if (slots.empty()) return {};
  return store.write(
      [&](Transaction& tx) -> Result<void> {
        MPYD_TRY_ASSIGN(auto present, tx.devices().slots(id));
        for (DeviceSlot& slot : present) {
          if (slot.retries == 0 || std::ranges::find(slots, slot.slot) == slots.end()) continue;
          --slot.retries;
          MPYD_TRY(tx.devices().put_slot(id, slot));
        }
        return {};
      },
      Durability::relaxed);
}

}  // namespace mpyd::server
