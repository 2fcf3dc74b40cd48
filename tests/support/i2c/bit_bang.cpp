#include "tests/support/i2c/bit_bang.hpp"

namespace mpyd::test::i2c {

Result<void> BitBang::raise_clock() {
  lines_.set_scl(true);
  for (std::uint32_t i = 0; !lines_.scl(); ++i) {
    if (i == stretch_waits_) return fail(Errc::timeout);
    lines_.wait();
  }
  return {};
}

// From idle, or from within a transfer, where SCL is low.
Result<void> BitBang::start() {
  lines_.set_sda(true);
  lines_.wait();
  MPYD_TRY(raise_clock());
  if (!lines_.sda()) return fail(Errc::io);
  lines_.wait();
  lines_.set_sda(false);
  lines_.wait();
  lines_.set_scl(false);
  return {};
}

Result<void> BitBang::stop() {
  lines_.set_sda(false);
  lines_.wait();
  MPYD_TRY(raise_clock());
  lines_.wait();
  lines_.set_sda(true);
  lines_.wait();
  if (!lines_.sda()) return fail(Errc::io);
  return {};
}

Result<void> BitBang::write_bit(bool bit) {
  lines_.set_sda(bit);
  lines_.wait();
  MPYD_TRY(raise_clock());
  if (bit && !lines_.sda()) return fail(Errc::io);
  lines_.wait();
  lines_.set_scl(false);
  return {};
}

Result<bool> BitBang::read_bit() {
  lines_.set_sda(true);
  lines_.wait();
  MPYD_TRY(raise_clock());
  const bool bit = lines_.sda();
  lines_.wait();
  lines_.set_scl(false);
  return bit;
}

Result<void> BitBang::write_byte(std::uint32_t byte) {
  for (std::uint32_t mask = 0x80; mask != 0; mask >>= 1) MPYD_TRY(write_bit((byte & mask) != 0));
  MPYD_TRY_ASSIGN(const bool is_refused, read_bit());
  if (is_refused) return fail(Errc::no_device);
  return {};
}

Result<std::byte> BitBang::read_byte(bool is_last) {
  std::uint32_t byte = 0;
  for (unsigned i = 0; i < 8; ++i) {
    MPYD_TRY_ASSIGN(const bool bit, read_bit());
    byte = byte << 1 | (bit ? 1U : 0U);
  }
  MPYD_TRY(write_bit(is_last));
  return static_cast<std::byte>(byte);
}

Result<void> BitBang::transfer(std::uint8_t address, Bytes out, MutableBytes in) {
  const std::uint32_t to_write = static_cast<std::uint32_t>(address) << 1;
  MPYD_TRY(start());
  if (!out.empty() || in.empty()) {
    MPYD_TRY(write_byte(to_write));
    is_addressed_ = true;
    for (const std::byte byte : out) MPYD_TRY(write_byte(std::to_integer<std::uint32_t>(byte)));
    if (in.empty()) return {};
    MPYD_TRY(start());
  }
  MPYD_TRY(write_byte(to_write | 1));
  is_addressed_ = true;
  for (std::size_t i = 0; i < in.size(); ++i) {
    MPYD_TRY_ASSIGN(in[i], read_byte(i + 1 == in.size()));
  }
  return {};
}

Result<void> BitBang::write_read(std::uint8_t address, Bytes out, MutableBytes in) {
  is_addressed_ = false;
  const auto done = transfer(address, out, in);
  if (done) return stop();
  // A line that hangs is let go, SDA first so that it is no STOP; recover() is the caller's to
  // call.
  const bool hangs = done.error() != Errc::no_device || (is_addressed_ && !start()) || !stop();
  if (hangs) {
    lines_.set_sda(true);
    lines_.set_scl(true);
  }
  return done;
}

Result<void> BitBang::recover() {
  lines_.set_sda(true);
  lines_.wait();
  MPYD_TRY(raise_clock());
  for (unsigned i = 0; i < 9 && !lines_.sda(); ++i) {
    lines_.wait();
    lines_.set_scl(false);
    lines_.wait();
    MPYD_TRY(raise_clock());
  }
  MPYD_TRY(start());
  return stop();
}

}  // namespace mpyd::test::i2c
