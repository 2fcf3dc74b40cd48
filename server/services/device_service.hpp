// Enrolled motherboards, for operators. Their own first contact is in sync_service.
#pragma once

#include <string>
#include <vector>

#include "server/domain/page.hpp"
#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

class DeviceService {
 public:
  DeviceService(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Enrolled {
    Device device;
    bool existed = false;
  };
  // Idempotent per key; an existing device keeps its name. Errors: invalid_argument (name, or a key
  // of small order), revoked (the device was revoked: it needs a new key).
  Result<Enrolled> enroll(const ExchangeKey& public_key, const std::string& name,
                          const std::string& actor);
  struct Listed {
    Device device;
    std::vector<DeviceSlot> troubled_slots;  // only slot and error are filled in
    std::vector<std::uint32_t> cloned_slots;
  };
  // What counts as trouble is known here: `filter` need not say it.
  Result<Page<Listed>> list(DeviceStore::Filter filter) const;
  Result<std::uint64_t> count() const;

  struct Detail {
    Device device;
    std::vector<DeviceSlot> slots;
    struct Clone {
      std::uint32_t slot = 0;      // of this device, whose board is
      DeviceStore::Place other{};  // there at the same time
    };
    std::vector<Clone> clones;  // at most kClonesToldMax of each slot
    std::vector<DevicePin> pins = {};
  };
  Result<Detail> show(std::string_view id) const;  // not_found
  // For good; doing it twice is a success. Errors: not_found.
  Result<Device> revoke(std::string_view id, const std::string& actor);
  // Lets a waiting device in; doing it twice is a success. Errors: not_found, revoked.
  Result<Device> approve(std::string_view id, const std::string& actor);
  // `successor` takes over the name of `id` and is let in; the key of `id` counts for nothing from
  // then on. Doing it twice is a success. Errors: not_found, invalid_argument (the same device),
  // revoked (the successor was), conflict (another one took its place before).
  Result<Device> replace(std::string_view id, std::string_view successor, const std::string& actor);
  // The device may load what it quarantined in this slot once more. Stays pending until an answer
  // has told the device, however long that one is off.
  // Errors: not_found, conflict (the slot reports no quarantine).
  Result<void> try_again(std::string_view id, std::uint32_t slot, const std::string& actor);

  // From its next answer on the device gets this release of the hardware ID's driver, or none; a
  // pin there was is replaced. It is the server's choice among releases that trust accepts: floors,
  // revocations and approvals hold as before, and off line a device without its kept answer takes
  // the newest that lies there. Doing it twice is a success. Who answers devices is told by
  // ResolveService::releases_changed(). Errors: not_found (device or release), revoked (the device
  // is out), conflict (the release is yanked for every ABI), limit (kPinsPerDeviceMax).
  struct PinRequest {
    HardwareId hardware_id;
    std::uint32_t release = 0;  // by its number, or, if that is 0,
    VersionText version;        // by its version
  };
  Result<DevicePin> pin(std::string_view id, const PinRequest& request, const std::string& actor);
  // Errors: not_found (device, or the pin).
  Result<void> unpin(std::string_view id, const HardwareId& hardware_id, const std::string& actor);

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace mpyd::server
