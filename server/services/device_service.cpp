#include "server/services/device_service.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "protocol/crypto.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kDeviceNameMax = 64;
constexpr std::size_t kDevicesListedMax = 100'000;

bool is_device_name(std::string_view text) {
  return text.size() <= kDeviceNameMax &&
         std::ranges::none_of(text, [](char c) { return c >= 0 && (c < 0x20 || c == 0x7f); });
}

Error out_for_good(const Device& device) {
  return Error(Errc::revoked, "the device " + device.id + " was " +
                                  std::string(name(device.state)) +
                                  "; provision it again with a new key");
}

Result<Device> load_device(const DeviceStore& devices, std::string_view id) {
  MPYD_TRY_ASSIGN(auto device, devices.find(id));
  if (!device) return fail(Errc::not_found, "there is no device " + std::string(id));
  return *std::move(device);
}

// A secret is a multiple of eight once clamped, so any, even this one, takes a point of small order
// to zero and no other point.
bool is_small_order(const ExchangeKey& key) {
  const SecretKey secret{};
  SharedKey product;
  return !crypto::x25519(secret, key, product);
}

}  // namespace

Result<DeviceService::Enrolled> DeviceService::enroll(const ExchangeKey& public_key,
                                                      const std::string& name,
                                                      const std::string& actor) {
  if (!is_device_name(name))
    return fail(Errc::invalid_argument, "a device's name is at most 64 characters on one line");
  if (is_small_order(public_key))
    return fail(Errc::invalid_argument,
                "the device key is of small order and keeps nothing secret; make a new one");
  const std::uint64_t now = clock_.now_unix_s();
  Enrolled out{.device = {.id = device_id(public_key),
                          .public_key = public_key,
                          .name = name,
                          .enrolled_unix_s = now}};
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const auto present, tx.devices().find(out.device.id));
    if (present) {
      if (present->public_key != public_key)
        return fail(Errc::conflict, "another device has the id " + out.device.id);
      if (present->is_out()) return fail(out_for_good(*present));
      out = {*present, true};
      if (present->state != DeviceState::waiting) return {};
      // Whoever may enrol devices may let this one in.
      out.device.state = DeviceState::enrolled;
      MPYD_TRY(tx.devices().update(out.device));
      return tx.audit().append({now, actor, "device-approve", out.device.id});
    }
    MPYD_TRY(tx.devices().add(out.device));
    return tx.audit().append({now, actor, "device-enroll", out.device.id,
                              boost::json::serialize(boost::json::object{{"name", name}})});
  });
  MPYD_TRY(written);
  return out;
}

Result<std::vector<DeviceService::Listed>> DeviceService::list() const {
  return store_.get([](const Snapshot& s) -> Result<std::vector<Listed>> {
    MPYD_TRY_ASSIGN(auto devices, s.devices().list(kDevicesListedMax));
    MPYD_TRY_ASSIGN(const auto errors, s.devices().slot_errors());
    MPYD_TRY_ASSIGN(const auto cloned, s.devices().cloned_slots());
    std::vector<Listed> out;
    auto place = errors.begin();  // all are sorted by device
    auto clone = cloned.begin();
    for (Device& device : devices) {
      Listed& listed = out.emplace_back(Listed{std::move(device), {}, {}});
      while (place != errors.end() && place->device_id < listed.device.id) ++place;
      for (; place != errors.end() && place->device_id == listed.device.id; ++place)
        if (is_trouble(place->error))
          listed.troubled_slots.push_back({.slot = place->slot, .error = place->error});
      while (clone != cloned.end() && clone->device_id < listed.device.id) ++clone;
      for (; clone != cloned.end() && clone->device_id == listed.device.id; ++clone)
        listed.cloned_slots.push_back(clone->slot);
    }
    return out;
  });
}

Result<std::uint64_t> DeviceService::count() const {
  return store_.get([](const Snapshot& s) { return s.devices().count(); });
}

Result<DeviceService::Detail> DeviceService::show(std::string_view id) const {
  return store_.get([&](const Snapshot& s) -> Result<Detail> {
    MPYD_TRY_ASSIGN(Device device, load_device(s.devices(), id));
    MPYD_TRY_ASSIGN(auto slots, s.devices().slots(id));
    std::vector<Detail::Clone> clones;
    for (const DeviceSlot& slot : slots) {
      MPYD_TRY_ASSIGN(const auto others, s.devices().clones(device, slot, kClonesToldMax));
      for (const DeviceStore::Place& other : others) clones.push_back({slot.slot, other});
    }
    return Detail{std::move(device), std::move(slots), std::move(clones)};
  });
}

Result<Device> DeviceService::revoke(std::string_view id, const std::string& actor) {
  Device device;
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(device, load_device(tx.devices(), id));
    if (device.is_out()) return {};
    device.state = DeviceState::revoked;
    MPYD_TRY(tx.devices().update(device));
    return tx.audit().append({clock_.now_unix_s(), actor, "device-revoke", device.id});
  });
  MPYD_TRY(written);
  return device;
}

Result<Device> DeviceService::approve(std::string_view id, const std::string& actor) {
  Device device;
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(device, load_device(tx.devices(), id));
    if (device.is_out()) return fail(out_for_good(device));
    if (device.state == DeviceState::enrolled) return {};
    device.state = DeviceState::enrolled;
    MPYD_TRY(tx.devices().update(device));
    return tx.audit().append({clock_.now_unix_s(), actor, "device-approve", device.id});
  });
  MPYD_TRY(written);
  return device;
}

Result<Device> DeviceService::replace(std::string_view id, std::string_view successor,
                                      const std::string& actor) {
  if (id == successor) return fail(Errc::invalid_argument, "a device cannot take its own place");
  Device next;
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(Device old, load_device(tx.devices(), id));
    MPYD_TRY_ASSIGN(next, load_device(tx.devices(), successor));
    if (next.is_out()) return fail(out_for_good(next));
    if (old.state == DeviceState::replaced) {
      if (next.name == old.name && next.state == DeviceState::enrolled) return {};
      return fail(Errc::conflict, "another device took the place of " + old.id + " before");
    }
    old.state = DeviceState::replaced;
    next.state = DeviceState::enrolled;
    next.name = old.name;
    MPYD_TRY(tx.devices().update(old));
    MPYD_TRY(tx.devices().update(next));
    const std::uint64_t now = clock_.now_unix_s();
    const auto detail = [&](const char* role, const std::string& other) {
      return boost::json::serialize(boost::json::object{{role, other}, {"name", old.name}});
    };
    MPYD_TRY(tx.audit().append({now, actor, "device-replaced", old.id, detail("by", next.id)}));
    return tx.audit().append({now, actor, "device-take-over", next.id, detail("from", old.id)});
  });
  MPYD_TRY(written);
  return next;
}

Result<void> DeviceService::try_again(std::string_view id, std::uint32_t slot,
                                      const std::string& actor) {
  return store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const Device device, load_device(tx.devices(), id));
    MPYD_TRY_ASSIGN(auto slots, tx.devices().slots(id));
    const auto found = std::ranges::find(slots, slot, &DeviceSlot::slot);
    if (found != slots.end() && found->is_retry_pending()) return {};
    if (found == slots.end() || !found->is_quarantined())
      return fail(Errc::conflict, "slot " + std::to_string(slot) + " of the device " + device.id +
                                      " reports no quarantine");
    found->retries = kRetryAnswers;
    MPYD_TRY(tx.devices().put_slot(id, *found));
    return tx.audit().append({clock_.now_unix_s(), actor, "device-try-again", device.id,
                              boost::json::serialize(boost::json::object{
                                  {"slot", slot}, {"hardware_id", found->hardware_id}})});
  });
}

}  // namespace mpyd::server
