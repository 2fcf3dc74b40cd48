// The memory behind an ID EEPROM: where it answers, how it is addressed, how large it is.
//
// Who needs which: part_probe.hpp finds parts without ever writing; part_source.hpp reads one;
// part_writer.hpp writes one, page by page.
#pragma once

#include "protocol/bytes.hpp"
#include "protocol/result.hpp"

namespace mpyd::eeprom {

// One I2C bus, or one channel of a multiplexer, as whoever owns it gives it.
class I2cChannel {
 public:
  // START, address and write, `out`, repeated START, address and read, `in`, STOP. Either may be
  // empty: without `out` the part is read from where its address counter stands, without `in` the
  // transfer ends after `out`, without both after the address. Never adds a STOP between the two.
  // Errors: no_device (no ACK), io, timeout.
  virtual Result<void> write_read(std::uint8_t address, Bytes out, MutableBytes in) = 0;

 protected:
  ~I2cChannel() = default;
};

// I2C addresses at which memories of this family answer.
inline constexpr std::uint8_t kPartAddressFirst = 0x50;
inline constexpr std::uint8_t kPartAddressLast = 0x57;

struct Part {
  std::uint8_t address = 0;        // the lowest it answers at
  std::uint8_t answers_until = 0;  // the highest, mirrors included
  // 1: each of `blocks` I2C addresses from `address` on holds the next 256 bytes (24C01 to 24C16).
  // 2: two address bytes (24C32 and up). 0: not known.
  std::uint8_t address_bytes = 0;
  std::uint8_t blocks = 1;
  std::uint32_t size = 0;  // bytes; 0: not known, then reading is bounded by what can be addressed

  friend bool operator==(const Part&, const Part&) = default;
};

// The I2C address at which the byte at `offset` is found.
constexpr std::uint8_t address_of(const Part& part, std::uint32_t offset) {
  return static_cast<std::uint8_t>(part.address + (part.address_bytes == 1 ? offset / 256 : 0));
}

// Bytes that can be addressed at most.
constexpr std::uint32_t addressable_bytes(const Part& part) {
  return part.address_bytes == 2 ? 65536U : 256U * part.blocks;
}
constexpr std::uint32_t size_of(const Part& part) {
  return part.size != 0 ? part.size : addressable_bytes(part);
}

}  // namespace mpyd::eeprom
