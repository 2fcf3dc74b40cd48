// An I2C bus with one ID EEPROM per slot, as the parts behave: two address bytes set a pointer,
// reading moves it and wraps at the end of the part, an absent part does not acknowledge.
#pragma once

#include <functional>
#include <map>

#include "device-agent/core/ports.hpp"
#include "tests/support/bytes.hpp"

namespace mpyd::test {

class FakeBus final : public agent::I2cBus {
 public:
  static constexpr std::uint8_t kAddress = 0x50;
  static constexpr std::size_t kPartBytes = 8192;

  // The image is padded with 0xff to the size of a part.
  void plug(unsigned slot, Bytes image) {
    Buffer part = copy(image);
    if (part.size() < kPartBytes) part.resize(kPartBytes, std::byte{0xff});
    parts_[slot] = {part, 0};
  }
  void pull(unsigned slot) { parts_.erase(slot); }
  bool has(unsigned slot) const { return parts_.contains(slot); }
  // To change bytes under the agent's eyes.
  Buffer& image(unsigned slot) { return parts_.at(slot).bytes; }

  // Called before each transfer with its number, from 0 since the last reset_count().
  std::function<void(std::size_t transfer)> before_transfer;
  void reset_count() { transfers_ = bytes_ = 0; }
  std::size_t transfers() const { return transfers_; }
  std::size_t bytes() const { return bytes_; }
  // Bytes written beyond an address: an agent never writes to an ID EEPROM.
  std::size_t written() const { return written_; }
  // The n-th transfer from now fails with this error.
  void fail_at(std::size_t transfer, Errc error) {
    fail_at_ = transfers_ + transfer;
    error_ = error;
  }

  Result<void> write_read(unsigned slot, std::uint8_t address, Bytes out,
                          MutableBytes in) override {
    const std::size_t number = transfers_++;
    if (before_transfer) before_transfer(number);
    if (number == fail_at_) return fail(error_);
    const auto found = parts_.find(slot);
    if (address != kAddress || found == parts_.end()) return fail(Errc::no_device);
    Part& part = found->second;
    if (out.size() >= 2)
      part.pointer = (load_u8(out, 0) << 8 | load_u8(out, 1)) % part.bytes.size();
    if (out.size() > 2) written_ += out.size() - 2;
    for (std::byte& b : in) {
      b = part.bytes[part.pointer];
      part.pointer = (part.pointer + 1) % part.bytes.size();
    }
    bytes_ += in.size();
    return {};
  }

 private:
  struct Part {
    Buffer bytes;
    std::size_t pointer = 0;
  };
  std::map<unsigned, Part> parts_;
  std::size_t transfers_ = 0;
  std::size_t bytes_ = 0;
  std::size_t written_ = 0;
  std::size_t fail_at_ = static_cast<std::size_t>(-1);
  Errc error_{};
};

}  // namespace mpyd::test
