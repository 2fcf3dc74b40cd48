#include "server/services/sync_inventory.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "server/services/token_service.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

Admission refuse(sync::Status status, std::string message) {
  return {.status = status, .message = std::move(message)};
}

// What an enrolled device is told before anything is written.
std::optional<Admission> judge(const Device& device, const ExchangeKey& key,
                               const SyncRequest& request) {
  if (device.public_key != key)
    return refuse(sync::Status::unknown_device, "this device key is not enrolled here");
  if (device.state == DeviceState::revoked)
    return refuse(sync::Status::revoked, "the operator revoked this device");
  if (request.counter <= device.last_counter)
    return Admission{.status = sync::Status::counter,
                     .last_counter = device.last_counter,
                     .message = "the counter is not above the last one"};
  return std::nullopt;
}

// First contact: a new device, if its token says so.
Result<std::optional<Admission>> enroll(Transaction& tx, const ExchangeKey& key,
                                        const Digest& token_hash, std::uint64_t now_unix_s,
                                        Device& device) {
  const auto token = find_usable_token(tx.tokens(), token_hash, now_unix_s);
  if (!token && token.error().code != Errc::unauthorised) return fail(token.error());
  if (!token) return refuse(sync::Status::unknown_device, token.error().message);
  if (!token->scopes.allows(Scopes::enroll))
    return refuse(sync::Status::unknown_device, "the token is not one for enrolling devices");
  device = Device{.id = device_id(key), .public_key = key, .enrolled_unix_s = now_unix_s};
  MPYD_TRY(tx.tokens().set_used(token_hash, now_unix_s));
  MPYD_TRY(tx.devices().add(device));
  MPYD_TRY(tx.audit().append({now_unix_s, "token:" + token->name, "device-enroll", device.id}));
  return std::nullopt;
}

Result<void> store_slots(Transaction& tx, const std::string& id, const SyncRequest& request,
                         std::uint64_t now_unix_s) {
  MPYD_TRY_ASSIGN(const auto present, tx.devices().slots(id));
  for (const BoardReport& board : request.boards) {
    const auto same = [&](const DeviceSlot& slot) { return slot.same_as(board.inventory); };
    if (std::ranges::any_of(present, same)) continue;
    DeviceSlot slot = board.inventory;
    slot.since_unix_s = now_unix_s;
    MPYD_TRY(tx.devices().put_slot(id, slot));
  }
  for (const DeviceSlot& slot : present) {
    const auto occupied = [&](const BoardReport& b) { return b.inventory.slot == slot.slot; };
    if (std::ranges::none_of(request.boards, occupied))
      MPYD_TRY(tx.devices().remove_slot(id, slot.slot));
  }
  return {};
}

Result<void> store_events(Transaction& tx, const std::string& id, const SyncRequest& request,
                          std::uint64_t now_unix_s) {
  for (const DeviceEvent& event : request.events) {
    boost::json::object detail{{"slot", event.slot}};
    if (!event.digest.is_zero()) detail["digest"] = to_hex(event.digest.bytes());
    if (event.error != 0) detail["error"] = name(static_cast<Errc>(event.error));
    if (event.duration_ms != 0) detail["duration_ms"] = event.duration_ms;
    MPYD_TRY(tx.audit().append({now_unix_s, "device:" + id,
                                "board-" + std::string(device_event_name(event.kind)),
                                event.hardware_id, boost::json::serialize(detail)}));
  }
  return {};
}

Result<std::optional<Admission>> record(Transaction& tx, const ExchangeKey& key,
                                        const SyncRequest& request, std::uint64_t now_unix_s) {
  MPYD_TRY_ASSIGN(const auto known, tx.devices().find(device_id(key)));
  Device device;
  if (known) {
    if (auto refused = judge(*known, key, request)) return refused;
    device = *known;
  } else {
    if (!request.enroll_token_hash)
      return refuse(sync::Status::unknown_device, "this device key is not enrolled here");
    MPYD_TRY_ASSIGN(auto refused, enroll(tx, key, *request.enroll_token_hash, now_unix_s, device));
    if (refused) return refused;
  }
  device.last_counter = request.counter;
  device.last_seen_unix_s = now_unix_s;
  device.abi = request.abi;
  device.firmware = request.firmware;
  device.agent_version = request.agent_version;
  MPYD_TRY(tx.devices().update(device));
  MPYD_TRY(store_slots(tx, device.id, request, now_unix_s));
  MPYD_TRY(store_events(tx, device.id, request, now_unix_s));
  return std::nullopt;
}

}  // namespace

Result<Admission> admit(Store& store, const ExchangeKey& device_key, const SyncRequest& request,
                        std::uint64_t now_unix_s) {
  const std::string id = device_id(device_key);
  MPYD_TRY_ASSIGN(const auto known,
                  store.get([&](const Snapshot& s) { return s.devices().find(id); }));
  // Whoever is refused does not get as far as the one writer.
  if (!known && !request.enroll_token_hash)
    return refuse(sync::Status::unknown_device, "this device key is not enrolled here");
  if (known)
    if (auto refused = judge(*known, device_key, request)) return *std::move(refused);

  std::optional<Admission> refused;
  const Result<void> written = store.write(
      [&](Transaction& tx) -> Result<void> {
        MPYD_TRY_ASSIGN(refused, record(tx, device_key, request, now_unix_s));
        return {};
      },
      // A device relies on having been enrolled; the rest may be lost with the last moments.
      known ? Durability::relaxed : Durability::full);
  MPYD_TRY(written);
  return std::move(refused).value_or(Admission{});
}

}  // namespace mpyd::server
