#include "tests/support/i2c/slave.hpp"

namespace mpyd::test::i2c {

void Slave::fail_now() {
  failure_ = next_failure_;
  fail_at_ = kNever;
  if (failure_ == Failure::stuck_sda) pulls_sda_ = true;
}

void Slave::on_start(std::uint64_t now) {
  now_ = now;
  if (failure_ != Failure::none) return;
  started();
  state_ = State::address;
  bits_ = shift_ = 0;
  pulls_sda_ = false;
}

void Slave::on_stop(std::uint64_t now) {
  now_ = now;
  if (failure_ != Failure::none) return;
  stopped();
  state_ = State::idle;
  pulls_sda_ = false;
}

void Slave::on_rise(std::uint64_t now, bool sda) {
  now_ = now;
  if (seen_bits_++ >= fail_at_) fail_now();
  if (failure_ != Failure::none) return;
  if (state_ == State::address || state_ == State::receive) {
    shift_ = (shift_ << 1 | (sda ? 1U : 0U)) & 0xff;
    ++bits_;
  } else if (state_ == State::listen) {
    refused_ = sda;
  }
}

void Slave::load() {
  shift_ = read();
  bits_ = 0;
  state_ = State::send;
  pulls_sda_ = (shift_ & 0x80) == 0;
}

void Slave::on_fall(std::uint64_t now) {
  now_ = now;
  if (failure_ == Failure::garbage) {
    noise_ = noise_ * 6364136223846793005U + 1442695040888963407U;
    pulls_sda_ = noise_ >> 63 != 0;
  }
  if (failure_ == Failure::stuck_sda && stuck_clocks_ != 0 && --stuck_clocks_ == 0) {
    failure_ = Failure::none;
    state_ = State::idle;
    pulls_sda_ = false;
  }
  if (failure_ != Failure::none) return;
  switch (state_) {
    case State::idle:
      break;
    case State::address:
    case State::receive:
      if (bits_ < 8) break;
      if (state_ == State::address) {
        next_ = (shift_ & 1) != 0 ? State::send : State::receive;
        pulls_sda_ = selected(static_cast<std::uint8_t>(shift_ >> 1), next_ == State::send);
      } else {
        pulls_sda_ = written(static_cast<std::uint8_t>(shift_));
      }
      state_ = pulls_sda_ ? State::acknowledge : State::idle;
      if (pulls_sda_) stretch_until_ = now + stretch_ns_;
      break;
    case State::acknowledge:
      pulls_sda_ = false;
      bits_ = shift_ = 0;
      state_ = next_;
      if (state_ == State::send) load();
      break;
    case State::send:
      ++bits_;
      if (bits_ == 8) state_ = State::listen;
      pulls_sda_ = bits_ < 8 && (shift_ >> (7 - bits_) & 1) == 0;
      break;
    case State::listen:
      if (refused_)
        state_ = State::idle;
      else
        load();
      break;
  }
}

}  // namespace mpyd::test::i2c
