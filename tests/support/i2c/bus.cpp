#include "tests/support/i2c/bus.hpp"

#include <algorithm>

#include "tests/support/i2c/parts.hpp"

namespace mpyd::test::i2c {

Bus::Bus(const Bus& other)
    : half_period_ns_(other.half_period_ns_),
      now_(other.now_),
      master_scl_(other.master_scl_),
      master_sda_(other.master_sda_),
      scl_(other.scl_),
      sda_(other.sda_),
      bits_of_byte_(other.bits_of_byte_),
      bits_(other.bits_),
      bytes_(other.bytes_) {
  for (const auto& slave : other.slaves_) hang(slave->clone());
}

void Bus::hang(std::unique_ptr<Slave> slave) {
  if (const auto* const mux = dynamic_cast<const Mux*>(slave.get())) mux_ = mux;
  slaves_.push_back(std::move(slave));
}

void Bus::add_slave(std::unique_ptr<Slave> slave) {
  hang(std::move(slave));
  settle();
}

void Bus::remove(const Slave& slave) {
  if (mux_ == &slave) mux_ = nullptr;
  std::erase_if(slaves_, [&](const auto& s) { return s.get() == &slave; });
  settle();
}

std::uint64_t Bus::commits() const {
  std::uint64_t sum = 0;
  for (const auto& slave : slaves_) sum += slave->commits();
  return sum;
}

std::uint64_t Bus::changes() const {
  std::uint64_t sum = 0;
  for (const auto& slave : slaves_) sum += slave->changes();
  return sum;
}

bool Bus::is_connected(const Slave& slave) const {
  return slave.channel < 0 || (mux_ != nullptr && mux_->selects(slave.channel));
}

bool Bus::any_pulls_scl() const {
  return std::any_of(slaves_.begin(), slaves_.end(),
                     [&](const auto& s) { return is_connected(*s) && s->pulls_scl(now_); });
}

bool Bus::any_pulls_sda() const {
  return std::any_of(slaves_.begin(), slaves_.end(),
                     [&](const auto& s) { return is_connected(*s) && s->pulls_sda(); });
}

// Brings the lines to what all who hang on them make of them, one edge at a time: SDA changes under
// a clock that is as it was.
void Bus::settle() {
  while (true) {
    const bool sda = master_sda_ && !any_pulls_sda();
    if (sda != sda_) {
      sda_ = sda;
      if (scl_) {
        bits_of_byte_ = 0;
        for (const auto& slave : slaves_)
          if (is_connected(*slave)) sda ? slave->on_stop(now_) : slave->on_start(now_);
      }
      continue;
    }
    const bool scl = master_scl_ && !any_pulls_scl();
    if (scl == scl_) return;
    scl_ = scl;
    if (scl) {
      ++bits_;
      if (++bits_of_byte_ == 9) {
        bits_of_byte_ = 0;
        ++bytes_;
      }
    }
    for (const auto& slave : slaves_)
      if (is_connected(*slave)) scl ? slave->on_rise(now_, sda_) : slave->on_fall(now_);
  }
}

void Bus::set_scl(bool is_released) {
  if (before_change && master_scl_ != is_released) before_change();
  master_scl_ = is_released;
  settle();
}

void Bus::set_sda(bool is_released) {
  if (before_change && master_sda_ != is_released) before_change();
  master_sda_ = is_released;
  settle();
}

void Bus::pass(std::uint64_t ns) {
  now_ += ns;
  // Time alone changes a line only where a clock is stretched.
  if (scl_ != master_scl_) settle();
}

void Bus::reset_master(bool scl_first) {
  (scl_first ? master_scl_ : master_sda_) = true;
  settle();
  (scl_first ? master_sda_ : master_scl_) = true;
  settle();
}

}  // namespace mpyd::test::i2c
