// An I2C bus, bit by bit: two wired-AND lines, whatever hangs on them, and a clock of its own.
// A copy is a bus in the same state, with copies of all that hangs on it.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/i2c/bit_bang.hpp"
#include "tests/support/i2c/slave.hpp"

namespace mpyd::test::i2c {

class Mux;

class Bus final : public Lines {
 public:
  explicit Bus(std::uint64_t half_period_ns = 5000) : half_period_ns_(half_period_ns) {}
  Bus(const Bus& other);
  Bus& operator=(const Bus&) = delete;

  template <class T>
  T& add(std::unique_ptr<T> slave) {
    T& out = *slave;
    add_slave(std::move(slave));
    return out;
  }
  template <class T, class... Arguments>
  T& add(Arguments&&... arguments) {
    return add(std::make_unique<T>(std::forward<Arguments>(arguments)...));
  }
  // Pulled. What it had not yet written is lost.
  void remove(const Slave& slave);
  Slave& slave(std::size_t i) { return *slaves_[i]; }
  std::size_t slaves() const { return slaves_.size(); }
  // Bytes of all slaves that were written to, and those of them that are other than before.
  std::uint64_t commits() const;
  std::uint64_t changes() const;

  void set_scl(bool is_released) override;
  void set_sda(bool is_released) override;
  bool scl() override { return scl_; }
  bool sda() override { return sda_; }
  void wait() override { pass(half_period_ns_); }
  void pass(std::uint64_t ns);
  // The master was reset: it lets both lines go, in this order.
  void reset_master(bool scl_first);

  // Called before the master changes a line; may throw.
  std::function<void()> before_change;

  std::uint64_t bits() const { return bits_; }    // clocks
  std::uint64_t bytes() const { return bytes_; }  // whole ones, with their ACK, addresses included
  std::uint64_t now_ns() const { return now_; }

 private:
  void hang(std::unique_ptr<Slave> slave);
  void add_slave(std::unique_ptr<Slave> slave);
  void settle();
  bool is_connected(const Slave& slave) const;
  bool any_pulls_scl() const;
  bool any_pulls_sda() const;

  std::vector<std::unique_ptr<Slave>> slaves_;
  const Mux* mux_ = nullptr;  // one of them
  std::uint64_t half_period_ns_;
  std::uint64_t now_ = 0;
  bool master_scl_ = true;
  bool master_sda_ = true;
  bool scl_ = true;
  bool sda_ = true;
  unsigned bits_of_byte_ = 0;
  std::uint64_t bits_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace mpyd::test::i2c
