// An I2C master, bit by bit, for the simulated lines of bus.hpp.
#pragma once

#include "protocol/eeprom/part.hpp"

namespace mpyd::test::i2c {

// Two open-drain lines with pull-ups.
class Lines {
 public:
  virtual void set_scl(bool is_released) = 0;  // else pulled low
  virtual void set_sda(bool is_released) = 0;
  virtual bool scl() = 0;  // true: high
  virtual bool sda() = 0;
  // Half a clock period, 5 us at 100 kHz, 1.25 us at 400 kHz.
  virtual void wait() = 0;

 protected:
  ~Lines() = default;
};

class BitBang final : public eeprom::I2cChannel {
 public:
  // SMBus lets a part stretch a clock by 25 ms; as many waits at 100 kHz.
  static constexpr std::uint32_t kStretchWaits = 5000;

  // `stretch_waits`: for how long a part may hold SCL, in calls of lines.wait().
  explicit BitBang(Lines& lines, std::uint32_t stretch_waits = kStretchWaits)
      : lines_(lines), stretch_waits_(stretch_waits) {}

  // Ends every transfer with STOP, one that failed behind the first address with START and STOP:
  // START makes a part forget what it was sent, where STOP alone would have it write that.
  // Errors: no_device (no ACK), io (SDA hangs, or somebody else drives it), timeout (SCL hangs).
  Result<void> write_read(std::uint8_t address, Bytes out, MutableBytes in) override;

  // After this master was reset in a transfer, or a part was pulled in one. Clocks only while a
  // part holds SDA, at most nine times, for a part that waits for data takes clocks for data; then
  // START and STOP. Errors: io (SDA still hangs), timeout (SCL does).
  Result<void> recover();

 private:
  Result<void> raise_clock();
  Result<void> start();
  Result<void> stop();
  Result<void> write_bit(bool bit);
  Result<bool> read_bit();
  Result<void> write_byte(std::uint32_t byte);
  Result<std::byte> read_byte(bool is_last);
  Result<void> transfer(std::uint8_t address, Bytes out, MutableBytes in);

  Lines& lines_;
  std::uint32_t stretch_waits_;
  bool is_addressed_ = false;  // a part has acknowledged its address in this transfer
};

}  // namespace mpyd::test::i2c
