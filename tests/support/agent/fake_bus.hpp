// An I2C bus with boards in its slots, byte for byte: memories with one or two address bytes and
// an address counter, page writes with a write cycle, and whatever can go wrong at the n-th byte.
// Of bits and lines: tests/support/i2c.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "device-agent/core/ports.hpp"
#include "tests/support/bytes.hpp"

namespace mpyd::test {

// A memory on a board.
struct FakePart {
  std::uint8_t address = 0x50;
  std::uint8_t answers_until = 0x50;  // blocks and mirrors
  std::uint8_t address_bytes = 2;
  std::uint32_t page = 32;
  bool is_write_protected = false;
  unsigned write_cycle_polls = 2;  // addresses it does not acknowledge after a write
  bool counter_stands = false;     // a clone's, which reading does not move on

  Buffer bytes;
  std::size_t counter = 0;  // 0 after power-up
  unsigned busy = 0;
  std::size_t written_at = 0;  // the page of the write cycle

  static FakePart of(Bytes image, std::size_t size = 8192) {
    FakePart part;
    part.bytes = copy(image);
    if (part.bytes.size() < size) part.bytes.resize(size, std::byte{0xff});
    return part;
  }
  // 24C01 to 24C16: one address byte, 256 bytes behind each I2C address.
  static FakePart small(Bytes image, std::size_t size) {
    FakePart part = of(image, size);
    part.address_bytes = 1;
    part.page = size > 256 ? 16 : 8;
    part.answers_until = static_cast<std::uint8_t>(0x50 + (size - 1) / 256);
    return part;
  }
};

// The motherboard's supply is cut: nothing after this happens.
struct PowerLost {};

class FakeBus final : public agent::I2cBus {
 public:
  static constexpr std::uint8_t kAddress = 0x50;
  static constexpr std::size_t kPartBytes = 8192;

  // The image is padded with 0xff to the size of a part.
  void plug(unsigned slot, Bytes image) { slots_[slot] = {FakePart::of(image, kPartBytes)}; }
  void plug_parts(unsigned slot, std::vector<FakePart> parts) { slots_[slot] = std::move(parts); }
  void pull(unsigned slot) { slots_.erase(slot); }
  bool has(unsigned slot) const { return slots_.contains(slot); }
  // To change bytes under the agent's eyes.
  Buffer& image(unsigned slot) { return slots_.at(slot).front().bytes; }
  FakePart& part(unsigned slot, std::size_t n = 0) { return slots_.at(slot).at(n); }

  // Called before each transfer with its number, from 0 since the last reset_count().
  std::function<void(std::size_t transfer)> before_transfer;
  // Called after each transfer with its bytes on the bus.
  std::function<void(std::size_t bytes)> after_transfer;
  void reset_count() { transfers_ = bytes_ = bus_bytes_ = 0; }
  std::size_t transfers() const { return transfers_; }
  std::size_t bytes() const { return bytes_; }          // of data read
  std::size_t bus_bytes() const { return bus_bytes_; }  // everything, to a multiplexer, too
  // Of them, since they are counted: of one slot only, without its multiplexer.
  std::optional<unsigned> counted_slot;
  std::size_t counted_bytes = 0;
  // Bytes written beyond an address: only a store area may be.
  std::size_t written() const { return written_; }
  // Two bytes to a multiplexer whenever another slot is meant.
  bool has_mux = false;
  // The n-th transfer from now fails with this error.
  void fail_at(std::size_t transfer, Errc error) {
    fail_at_ = transfers_ + transfer;
    error_ = error;
  }

  // At the n-th byte of counted_slot: pulled, only garbage from there on, or power lost.
  enum class Fate { none, pulled, garbage, power_lost };
  void set_fate(Fate fate, std::size_t byte) {
    fate_ = fate;
    fate_at_ = byte;
    counted_bytes = 0;
  }
  bool fate_came() const { return fate_ != Fate::none && counted_bytes > fate_at_; }
  void clear_fate() { fate_ = Fate::none; }

  std::map<unsigned, agent::Presence> presence_lines;
  agent::Presence presence(unsigned slot) override {
    const auto found = presence_lines.find(slot);
    return found == presence_lines.end() ? agent::Presence::unknown : found->second;
  }

  // Transfers of this slot fail so, until it is freed.
  std::map<unsigned, Errc> hanging;
  enum class Recovery { unsupported, fails, frees, finds_it_free } recovery = Recovery::unsupported;
  std::size_t recoveries = 0;
  Result<void> recover(unsigned slot) override {
    if (recovery == Recovery::unsupported) return fail(Errc::unsupported);
    ++recoveries;
    if (recovery == Recovery::fails) return fail(Errc::io);
    if (recovery == Recovery::frees) hanging.erase(slot);
    return {};
  }

  Result<void> write_read(unsigned slot, std::uint8_t address, Bytes out,
                          MutableBytes in) override {
    const std::size_t number = transfers_++;
    if (before_transfer) before_transfer(number);
    const std::size_t bytes_before = bus_bytes_;
    if (has_mux && selected_ != slot) bus_bytes_ += 2;
    selected_ = slot;
    const auto done = number == fail_at_       ? fail(error_)
                      : hanging.contains(slot) ? fail(hanging[slot])
                                               : transfer(slot, address, out, in);
    if (after_transfer) after_transfer(bus_bytes_ - bytes_before);
    return done;
  }

 private:
  Result<void> transfer(unsigned slot, std::uint8_t address, Bytes out, MutableBytes in) {
    const bool is_addressed_twice = !out.empty() && !in.empty();
    if (!count(slot) || !find(slot, address)) return fail(Errc::no_device);
    if (FakePart& part = *find(slot, address); part.busy > 0) {
      --part.busy;
      return fail(Errc::no_device);
    }
    for (std::size_t i = 0; i < out.size(); ++i)
      if (!count(slot)) return fail(Errc::no_device);
    if (FakePart* part = find(slot, address)) take(*part, address, out, in.empty());
    const std::size_t counter_before = has(slot) ? find_counter(slot, address) : 0;
    if (is_addressed_twice && !count(slot)) return fail(Errc::no_device);
    for (std::byte& b : in) {
      // Nobody holds the line down any more: ones are read.
      FakePart* part = count(slot) ? find(slot, address) : nullptr;
      b = part == nullptr ? std::byte{0xff} : next_byte(*part, address);
      if (fate_ == Fate::garbage && counted_slot == slot && fate_came()) b = garbage_.bytes(1)[0];
    }
    if (FakePart* part = find(slot, address); part != nullptr && part->counter_stands)
      part->counter = counter_before;
    bytes_ += in.size();
    return {};
  }
  std::size_t find_counter(unsigned slot, std::uint8_t address) {
    const FakePart* part = find(slot, address);
    return part == nullptr ? 0 : part->counter;
  }

  // One byte on the bus; false if the board goes with it.
  bool count(unsigned slot) {
    ++bus_bytes_;
    if (counted_slot != slot) return true;
    const std::size_t number = counted_bytes++;
    if (fate_ == Fate::none || number != fate_at_) return has(slot);
    if (fate_ == Fate::pulled) pull(slot);
    if (fate_ == Fate::power_lost) {
      for (FakePart& part : slots_[slot]) tear(part);
      throw PowerLost{};
    }
    return has(slot);
  }

  FakePart* find(unsigned slot, std::uint8_t address) {
    const auto found = slots_.find(slot);
    if (found == slots_.end()) return nullptr;
    for (FakePart& part : found->second)
      if (address >= part.address && address <= part.answers_until) return &part;
    return nullptr;
  }

  // A page is written by the STOP behind it; a repeated START makes the part forget it.
  void take(FakePart& part, std::uint8_t address, Bytes out, bool stops) {
    const std::size_t size = part.bytes.size();
    if (out.empty()) return;
    if (part.address_bytes == 1)
      part.counter = ((address - part.address) * 256U + load_u8(out, 0)) % size;
    else if (out.size() >= 2)
      part.counter = (load_u8(out, 0) << 8 | load_u8(out, 1)) % size;
    else  // an address that is incomplete moves the upper half
      part.counter = (load_u8(out, 0) << 8 | (part.counter & 0xff)) % size;
    const Bytes data = out.size() > part.address_bytes ? out.subspan(part.address_bytes) : Bytes{};
    if (data.empty()) return;
    if (stops) written_ += data.size();
    part.written_at = part.counter / part.page * part.page;
    for (std::byte b : data) {
      if (stops && !part.is_write_protected) part.bytes[part.counter] = b;
      part.counter = part.written_at + (part.counter + 1) % part.page;
    }
    if (stops && !part.is_write_protected) part.busy = part.write_cycle_polls;
  }

  static std::byte next_byte(FakePart& part, std::uint8_t) {
    const std::byte b = part.bytes[part.counter];
    part.counter = (part.counter + 1) % part.bytes.size();
    return b;
  }

  // Power goes in the middle of a write cycle: the page holds anything.
  void tear(FakePart& part) {
    if (part.busy == 0) return;
    part.busy = 0;
    const Buffer noise = garbage_.bytes(part.page);
    for (std::size_t i = 0; i < part.page; ++i)
      if ((std::to_integer<unsigned>(noise[i]) & 3U) == 0)
        part.bytes[part.written_at + i] = noise[i];
  }

  std::map<unsigned, std::vector<FakePart>> slots_;
  Random garbage_{99};
  std::optional<unsigned> selected_;
  std::size_t transfers_ = 0;
  std::size_t bytes_ = 0;
  std::size_t bus_bytes_ = 0;
  std::size_t written_ = 0;
  std::size_t fail_at_ = static_cast<std::size_t>(-1);
  Errc error_{};
  Fate fate_ = Fate::none;
  std::size_t fate_at_ = 0;
};

}  // namespace mpyd::test
