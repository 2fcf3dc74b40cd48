#include "server/services/device_service.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "protocol/crypto.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kDeviceNameMax = 64;

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

Result<Page<DeviceService::Listed>> DeviceService::list(DeviceStore::Filter filter) const {
  const std::size_t count_max = filter.count_max++;
  filter.trouble_refusals = kRefusalsOfTrouble;
  filter.trouble_errors = trouble_errors();
  return store_.get([&](const Snapshot& s) -> Result<Page<Listed>> {
    MPYD_TRY_ASSIGN(auto rows, s.devices().list(filter));
    auto devices = make_page(std::move(rows), count_max);
    Page<Listed> out{.items = {}, .has_more = devices.has_more};
    for (Device& device : devices.items) {
      MPYD_TRY_ASSIGN(const auto slots, s.devices().slots(device.id));
      Listed listed;
      for (const DeviceSlot& slot : slots) {
        if (is_trouble(slot.error))
          listed.troubled_slots.push_back({.slot = slot.slot, .error = slot.error});
        MPYD_TRY_ASSIGN(const auto others, s.devices().clones(device, slot, 1));
        if (!others.empty()) listed.cloned_slots.push_back(slot.slot);
      }
      listed.device = std::move(device);
      out.items.push_back(std::move(listed));
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
    MPYD_TRY_ASSIGN(auto pins, s.devices().pins(id));
    return Detail{std::move(device), std::move(slots), std::move(clones), std::move(pins)};
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
    // One that never had a name leaves the other its own.
    const std::string& name = old.name.empty() ? next.name : old.name;
    if (old.state == DeviceState::replaced) {
      if (next.name == name && next.state == DeviceState::enrolled) return {};
      return fail(Errc::conflict, "another device took the place of " + old.id + " before");
    }
    old.state = DeviceState::replaced;
    next.state = DeviceState::enrolled;
    next.name = name;
    MPYD_TRY(tx.devices().update(old));
    MPYD_TRY(tx.devices().update(next));
    MPYD_TRY(tx.devices().move_pins(old.id, next.id));
    const std::uint64_t now = clock_.now_unix_s();
    const auto detail = [&](const char* role, const std::string& other) {
      return boost::json::serialize(boost::json::object{{role, other}, {"name", next.name}});
    };
    MPYD_TRY(tx.audit().append({now, actor, "device-replaced", old.id, detail("by", next.id)}));
    return tx.audit().append({now, actor, "device-take-over", next.id, detail("from", old.id)});
  });
  MPYD_TRY(written);
  return next;
}

namespace {

// The release that a pin names. Errors: not_found, conflict (nothing of it is offered).
Result<Release> find_release(const ReleaseStore& releases,
                             const DeviceService::PinRequest& request) {
  const std::string name = request.release != 0 ? "release " + std::to_string(request.release)
                                                : "version " + std::string(request.version.view());
  const std::string of = " of " + std::string(request.hardware_id.view());
  MPYD_TRY_ASSIGN(const auto published, releases.of_hardware(request.hardware_id));
  const auto found = std::ranges::find_if(published, [&](const Release& release) {
    return request.release != 0 ? release.release == request.release
                                : release.version == request.version;
  });
  if (found == published.end()) return fail(Errc::not_found, name + of + " is not published");
  if (std::ranges::all_of(found->variants, &Variant::withdrawn))
    return fail(Errc::conflict, name + of +
                                    " is yanked: pinned to it the motherboard would get no driver; "
                                    "mpyd release unyank offers it again");
  return *found;
}

std::string pin_detail(const DevicePin& pin) {
  return boost::json::serialize(
      boost::json::object{{"hardware_id", pin.hardware_id}, {"release", pin.release}});
}

}  // namespace

Result<DevicePin> DeviceService::pin(std::string_view id, const PinRequest& request,
                                     const std::string& actor) {
  DevicePin out{.device_id = std::string(id),
                .hardware_id = std::string(request.hardware_id.view()),
                .since_unix_s = clock_.now_unix_s()};
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const Device device, load_device(tx.devices(), id));
    if (device.is_out()) return fail(out_for_good(device));
    MPYD_TRY_ASSIGN(const Release release, find_release(tx.releases(), request));
    out.release = release.release;
    MPYD_TRY_ASSIGN(const auto pins, tx.devices().pins(id));
    const auto before = std::ranges::find(pins, out.hardware_id, &DevicePin::hardware_id);
    if (before == pins.end() && pins.size() >= kPinsPerDeviceMax)
      return fail(Errc::limit, "a device has at most " + std::to_string(kPinsPerDeviceMax) +
                                   " pins; take back those that no board needs");
    if (before != pins.end() && before->release == out.release) {
      out = *before;
      return {};
    }
    MPYD_TRY(tx.devices().put_pin(out));
    return tx.audit().append({out.since_unix_s, actor, "device-pin", device.id, pin_detail(out)});
  });
  MPYD_TRY(written);
  return out;
}

Result<void> DeviceService::unpin(std::string_view id, const HardwareId& hardware_id,
                                  const std::string& actor) {
  return store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const Device device, load_device(tx.devices(), id));
    MPYD_TRY_ASSIGN(const bool was_there, tx.devices().remove_pin(id, hardware_id.view()));
    if (!was_there)
      return fail(Errc::not_found,
                  "the device " + device.id + " has no pin for " + std::string(hardware_id.view()));
    return tx.audit().append(
        {clock_.now_unix_s(), actor, "device-unpin", device.id,
         boost::json::serialize(boost::json::object{{"hardware_id", hardware_id.view()}})});
  });
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
