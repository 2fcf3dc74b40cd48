// An I2C bus of Linux: /dev/i2c-N, through I2C_RDWR, which has a repeated START.
#pragma once

#include <string>
#include <vector>

#include "protocol/eeprom/part.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

class I2cDev final : public eeprom::I2cChannel {
 public:
  // Errors: not_found (no such device), forbidden, unsupported (an adapter that knows SMBus only,
  // or no I2C bus at all), io.
  static Result<I2cDev> open(const std::string& path);
  I2cDev(I2cDev&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  I2cDev& operator=(I2cDev&&) = delete;
  ~I2cDev();

  // As the base class says. Some adapters say EIO where others say that nobody acknowledged; both
  // are no_device here.
  mpyd::Result<void> write_read(std::uint8_t address, Bytes out, MutableBytes in) override;

 private:
  explicit I2cDev(int fd) : fd_(fd) {}
  int fd_;
};

// One channel of a pca9548 or its like; puts the multiplexer back as it was. Another process that
// uses the multiplexer meanwhile, as the kernel's own driver does, would be in the way.
class I2cMuxChannel {
 public:
  // channel: 0 to 7. Errors: those of the bus.
  static mpyd::Result<I2cMuxChannel> select(eeprom::I2cChannel& bus, std::uint8_t address,
                                            unsigned channel);
  I2cMuxChannel(I2cMuxChannel&& other) noexcept
      : bus_(other.bus_), address_(other.address_), before_(other.before_) {
    other.bus_ = nullptr;
  }
  I2cMuxChannel& operator=(I2cMuxChannel&&) = delete;
  ~I2cMuxChannel();

 private:
  I2cMuxChannel(eeprom::I2cChannel& bus, std::uint8_t address, std::byte before)
      : bus_(&bus), address_(address), before_(before) {}

  eeprom::I2cChannel* bus_;
  std::uint8_t address_;
  std::byte before_;
};

// The paths of all I2C buses there are.
std::vector<std::string> i2c_buses();

}  // namespace mpyd::server
