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
      if (present->state == DeviceState::revoked)
        return fail(Errc::revoked, "the device " + out.device.id +
                                       " was revoked; provision it again with a new key");
      out = {*present, true};
      return {};
    }
    MPYD_TRY(tx.devices().add(out.device));
    return tx.audit().append({now, actor, "device-enroll", out.device.id,
                              boost::json::serialize(boost::json::object{{"name", name}})});
  });
  MPYD_TRY(written);
  return out;
}

Result<std::vector<Device>> DeviceService::list() const {
  return store_.get([](const Snapshot& s) { return s.devices().list(kDevicesListedMax); });
}

Result<std::uint64_t> DeviceService::count() const {
  return store_.get([](const Snapshot& s) { return s.devices().count(); });
}

Result<DeviceService::Detail> DeviceService::show(std::string_view id) const {
  return store_.get([&](const Snapshot& s) -> Result<Detail> {
    MPYD_TRY_ASSIGN(Device device, load_device(s.devices(), id));
    MPYD_TRY_ASSIGN(auto slots, s.devices().slots(id));
    return Detail{std::move(device), std::move(slots)};
  });
}

Result<Device> DeviceService::revoke(std::string_view id, const std::string& actor) {
  Device device;
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(device, load_device(tx.devices(), id));
    if (device.state == DeviceState::revoked) return {};
    device.state = DeviceState::revoked;
    MPYD_TRY(tx.devices().update(device));
    return tx.audit().append({clock_.now_unix_s(), actor, "device-revoke", device.id});
  });
  MPYD_TRY(written);
  return device;
}

}  // namespace mpyd::server
