// Enrolled motherboards, for operators. Their own first contact is in sync_service.
#pragma once

#include <string>
#include <vector>

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
  Result<std::vector<Device>> list() const;
  Result<std::uint64_t> count() const;

  struct Detail {
    Device device;
    std::vector<DeviceSlot> slots;
  };
  Result<Detail> show(std::string_view id) const;  // not_found
  // For good; doing it twice is a success. Errors: not_found.
  Result<Device> revoke(std::string_view id, const std::string& actor);

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace mpyd::server
