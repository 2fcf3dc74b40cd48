// Memories, registers and a multiplexer for the simulated bus, as their data sheets have them.
#pragma once

#include <string>

#include "tests/support/bytes.hpp"
#include "tests/support/i2c/slave.hpp"

namespace mpyd::test::i2c {

// What a part of two address bytes makes of one that is followed by a START. Data sheets say
// nothing of it; all of these are seen or can be thought of.
enum class Partial : std::uint8_t {
  sets_high,   // the byte is the high one, the low one stays as it was
  ignored,     // the counter stays as it was
  clears_low,  // the byte is the high one, the low one becomes 0
  shifts,      // the low byte becomes the high one, the byte the low one
  reads_ff,    // as `shifts`, and until STOP it reads ff
};

struct MemoryKind {
  std::uint32_t size = 8192;
  unsigned address_bytes = 2;
  std::uint32_t page = 32;
  std::uint8_t address = 0x50;
  std::uint8_t block_bits = 0;    // of A2..A0: bits of the address of a byte
  std::uint8_t ignored_bits = 0;  // of A2..A0: the part answers whatever they are
  bool is_fram = false;           // each byte is there when it is acknowledged
  bool wraps_in_block = false;    // reading on stays in the block
  bool is_protected = false;
  bool refuses_data = false;  // while protected: no ACK
  Partial partial = Partial::sets_high;
  std::uint64_t cycle_ns = 5'000'000;
};

// By its name: 24c01 ... 24c512, with -nopins where A2..A0 are not connected inside; fm24c04,
// fm24c16, fm24c64, fm24v05. Throws on another one.
MemoryKind memory_kind(const std::string& name);

class Memory final : public Slave {
 public:
  // The image is padded with ff.
  Memory(const MemoryKind& kind, Bytes image);
  std::unique_ptr<Slave> clone() const override { return std::make_unique<Memory>(*this); }

  const MemoryKind& kind() const { return kind_; }
  void protect(bool is_protected, bool refuses_data = false) {
    kind_.is_protected = is_protected;
    kind_.refuses_data = refuses_data;
  }
  Buffer content() const;
  std::uint32_t cycles() const { return cycles_; }
  void set_pointer(std::uint32_t pointer) { pointer_ = pointer % kind_.size; }
  // Power goes. A page that is being written becomes anything.
  void cut_power(std::uint64_t now_ns);

 private:
  bool selected(std::uint8_t address, bool is_read) override;
  bool written(std::uint8_t byte) override;
  std::uint8_t read() override;
  void started() override { latch_.clear(); }
  void stopped() override;
  void take_partial(std::uint8_t byte);
  std::uint8_t& place(std::uint32_t offset);

  MemoryKind kind_;
  std::shared_ptr<std::vector<std::uint8_t>> bytes_;  // shared by copies until one writes
  std::uint32_t pointer_ = 0;
  std::uint32_t block_ = 0;
  unsigned address_bytes_seen_ = 0;
  bool is_incomplete_ = false;
  std::uint8_t high_ = 0;  // of an address that is coming in
  std::vector<std::pair<std::uint32_t, std::uint8_t>> latch_;
  std::uint32_t last_page_ = 0;
  std::uint64_t busy_until_ = 0;
  std::uint32_t cycles_ = 0;
};

struct RegisterKind {
  std::uint8_t address = 0x50;
  unsigned registers = 16;  // the pointer wraps behind them
  unsigned register_bytes = 1;
  bool increments = true;   // reading moves the pointer
  bool ends_in_ff = false;  // behind a register, where the pointer stays: ff, else it again
  unsigned live_first = 0;  // registers that are other at each reading
  unsigned live_count = 0;
};

// A sensor, a clock, a port: one byte points to a register, the next ones go into it as they come.
class Registers final : public Slave {
 public:
  Registers(const RegisterKind& kind, Bytes content);
  std::unique_ptr<Slave> clone() const override { return std::make_unique<Registers>(*this); }

 private:
  bool selected(std::uint8_t address, bool is_read) override;
  bool written(std::uint8_t byte) override;
  std::uint8_t read() override;

  RegisterKind kind_;
  std::vector<std::uint8_t> bytes_;
  std::size_t pointer_ = 0;  // of a register
  std::size_t offset_ = 0;   // in it
  bool is_pointed_ = false;
  Random noise_{1};
};

// Gives other bytes at each reading, and keeps whatever is written: a queue of measurements.
class Stream final : public Slave {
 public:
  explicit Stream(std::uint8_t address) : address_(address) {}
  std::unique_ptr<Slave> clone() const override { return std::make_unique<Stream>(*this); }

 private:
  bool selected(std::uint8_t address, bool) override {
    seen_ = 0;
    return address == address_;
  }
  bool written(std::uint8_t byte) override {
    if (seen_++ > 0) commit(kept_, byte);
    return true;
  }
  std::uint8_t read() override { return static_cast<std::uint8_t>(noise_.next()); }

  std::uint8_t address_;
  unsigned seen_ = 0;
  std::uint8_t kept_ = 0;
  Random noise_{2};
};

// pca9548: one control byte, a bit for each channel, in force from STOP on.
class Mux final : public Slave {
 public:
  explicit Mux(std::uint8_t address = 0x70) : address_(address) {}
  std::unique_ptr<Slave> clone() const override { return std::make_unique<Mux>(*this); }
  bool selects(int mux_channel) const { return (control_ >> mux_channel & 1) != 0; }

 private:
  bool selected(std::uint8_t address, bool) override { return address == address_; }
  bool written(std::uint8_t byte) override {
    next_ = byte;
    return true;
  }
  std::uint8_t read() override { return control_; }
  void stopped() override { control_ = next_; }

  std::uint8_t address_;
  std::uint8_t control_ = 0;
  std::uint8_t next_ = 0;
};

}  // namespace mpyd::test::i2c
