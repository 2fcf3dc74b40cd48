// What hangs on a simulated I2C bus, bit by bit: edges come in, a slave pulls lines.
#pragma once

#include <cstdint>
#include <memory>

namespace mpyd::test::i2c {

inline constexpr std::uint64_t kNever = ~std::uint64_t{0};

// How a slave behaves once its time has come.
enum class Failure : std::uint8_t {
  none,
  gone,           // pulled: it lets the lines go
  garbage,        // bad contacts: it pulls SDA as it likes
  stuck_sda,      // it holds SDA, until clocked `stuck_clocks` times
  stretches_scl,  // it holds SCL for ever
};

class Slave {
 public:
  virtual ~Slave() = default;
  virtual std::unique_ptr<Slave> clone() const = 0;

  // Edges, as the bus sees them. `now` in ns.
  void on_start(std::uint64_t now);
  void on_stop(std::uint64_t now);
  void on_rise(std::uint64_t now, bool sda);
  void on_fall(std::uint64_t now);
  bool pulls_sda() const { return pulls_sda_ && failure_ != Failure::gone; }
  bool pulls_scl(std::uint64_t now) const {
    return failure_ == Failure::stretches_scl ||
           (failure_ != Failure::gone && now < stretch_until_);
  }

  // From bit `bit` on that this slave sees.
  void fail_from(std::uint64_t bit, Failure failure, unsigned stuck_clocks = 0) {
    fail_at_ = bit;
    next_failure_ = failure;
    stuck_clocks_ = stuck_clocks;
    if (bit == 0) fail_now();
  }
  // Holds SCL for so long after each byte.
  void stretch(std::uint64_t ns) { stretch_ns_ = ns; }

  // Bytes of its memory or registers that were written, and those of them that are other now.
  std::uint64_t commits() const { return commits_; }
  std::uint64_t changes() const { return changes_; }

  int channel = -1;  // of the multiplexer on the bus; -1: on the bus itself

 protected:
  Slave() = default;
  Slave(const Slave&) = default;
  Slave& operator=(const Slave&) = default;

  virtual bool selected(std::uint8_t address, bool is_read) = 0;  // true: ACK
  virtual bool written(std::uint8_t byte) = 0;                    // true: ACK
  virtual std::uint8_t read() = 0;
  virtual void started() {}
  virtual void stopped() {}

  std::uint64_t now() const { return now_; }
  void commit(std::uint8_t& place, std::uint8_t byte) {
    ++commits_;
    changes_ += place != byte ? 1U : 0U;
    place = byte;
  }

 private:
  enum class State : std::uint8_t { idle, address, receive, acknowledge, send, listen };
  void load();
  void fail_now();

  State state_ = State::idle;
  State next_ = State::idle;
  unsigned shift_ = 0;
  unsigned bits_ = 0;
  bool pulls_sda_ = false;
  bool refused_ = false;
  std::uint64_t now_ = 0;
  std::uint64_t stretch_ns_ = 0;
  std::uint64_t stretch_until_ = 0;
  std::uint64_t seen_bits_ = 0;
  std::uint64_t fail_at_ = kNever;
  std::uint64_t noise_ = 0x9e3779b97f4a7c15;
  Failure failure_ = Failure::none;
  Failure next_failure_ = Failure::none;
  unsigned stuck_clocks_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t changes_ = 0;
};

}  // namespace mpyd::test::i2c
