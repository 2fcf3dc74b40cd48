#include "protocol/eeprom/part_width.hpp"

namespace mpyd::eeprom {
namespace {

// So many bytes of a window that differ are not a few registers that live.
constexpr std::size_t kMovedBytes = 8;
constexpr std::uint8_t kSweepWindows = 16;
constexpr std::uint8_t kSweepWindowsPerStep = 8;
constexpr std::uint8_t kReadOnSteps = 4;
constexpr std::uint8_t kReadFurtherSteps = 32;  // 8 KiB
constexpr std::uint8_t kDoubtWindowsPerStep = 6;
constexpr std::uint8_t kScanWindowsPerStep = 12;
// More than a window is read, so that an address that is put together from what was read before is
// another one the next time, in small parts too.
constexpr std::size_t kOddBytes = 21;
// A register of 2 to 8 bytes at 0 puts the next one so much further on.
constexpr std::size_t kRegisterBytesMax = 8;

bool is_blank(std::byte value) { return value == std::byte{0} || value == std::byte{0xff}; }

bool all_equal(Bytes window) {
  for (const std::byte b : window)
    if (b != window[0]) return false;
  return true;
}

// `next` was read `by` bytes further on than `window`.
bool is_shifted(Bytes window, Bytes next, std::size_t by = 1) {
  return same_bytes(window.subspan(by), next.first(window.size() - by));
}

// As the bytes of one register, read over and over.
bool repeats_soon(Bytes window) {
  for (std::size_t bytes = 1; bytes <= kRegisterBytesMax; ++bytes)
    if (is_shifted(window, window, bytes)) return true;
  return false;
}

std::size_t differences(Bytes a, Bytes b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i] ? 1U : 0U;
  return count;
}

}  // namespace

bool WidthProbe::keep(const Result<void>& done) {
  if (!done) error_ = done.error();
  return done.has_value();
}

bool WidthProbe::read_here(I2cChannel& channel, MutableBytes out) {
  return keep(channel.write_read(address_, {}, out));
}

bool WidthProbe::read_near(I2cChannel& channel, std::size_t offset, MutableBytes out) {
  const std::byte word = static_cast<std::byte>(offset & 0xff);
  return keep(channel.write_read(address_, {&word, 1}, out));
}

bool WidthProbe::read_far(I2cChannel& channel, std::size_t offset, MutableBytes out) {
  const std::array<std::byte, 2> word{static_cast<std::byte>(offset >> 8),
                                      static_cast<std::byte>(offset & 0xff)};
  return keep(channel.write_read(address_, word, out));
}

void WidthProbe::start(std::uint8_t address) {
  *this = WidthProbe{};
  address_ = address;
  stage_ = Stage::look;
}

void WidthProbe::start_blank(std::uint8_t address, std::byte value) {
  start(address);
  stage_ = Stage::read_further;
  last_ = value;
}

void WidthProbe::finish(std::uint8_t address_bytes, Errc trouble) {
  address_bytes_ = address_bytes;
  trouble_ = trouble;
  stage_ = Stage::done;
}

void WidthProbe::finish_uniform(std::byte value) {
  first_[0] = value;
  is_uniform_ = true;
  finish(0, is_blank(value) ? Errc::blank : Errc::undecided);
}

Result<bool> WidthProbe::step(I2cChannel& channel) {
  bool is_good = true;
  switch (stage_) {
    case Stage::look:
      is_good = look(channel);
      break;
    case Stage::sweep:
      is_good = sweep(channel);
      break;
    case Stage::read_on:
      is_good = read_on(channel);
      break;
    case Stage::look_again:
      is_good = look_again(channel);
      break;
    case Stage::doubt:
      is_good = doubt(channel);
      break;
    case Stage::read_further:
      is_good = read_further(channel);
      break;
    case Stage::two_bytes:
      is_good = try_two_bytes(channel);
      break;
    case Stage::scan:
      is_good = scan(channel);
      break;
    case Stage::done:
      break;
  }
  if (!is_good) return fail(error_);
  return stage_ == Stage::done;
}

// A part of one address byte reads the same twice at 0, and at 1 the same shifted by one. Nothing
// else is asked of one that does.
bool WidthProbe::look(I2cChannel& channel) {
  Window again, next;
  std::array<std::byte, kOddBytes> on;
  if (!read_near(channel, 0, first_)) return false;
  if (!read_near(channel, 1, next)) return false;
  if (!read_here(channel, on)) return false;
  if (!read_near(channel, 0, again)) return false;
  if (first_ == again && !all_equal(first_) && is_shifted(first_, next)) {
    finish(1);
    return true;
  }
  // A pointer that reading does not move, with another register at 1; or registers of several
  // bytes. Blank bytes are that as well.
  const bool is_nothing = all_equal(next) && is_blank(next[0]);
  if (same_bytes(Bytes(on).first(kWindow), next) && next != first_)
    likeness_ = is_nothing ? Likeness::faint : Likeness::strong;
  for (std::size_t by = 2; by <= kRegisterBytesMax; ++by)
    if (!all_equal(Bytes(first_).subspan(by)) && is_shifted(first_, next, by))
      likeness_ = Likeness::strong;
  constant_ = 0xffff;
  note(again);
  stage_ = Stage::sweep;
  return true;
}

void WidthProbe::note(Bytes window) {
  const std::size_t count = differences(window, first_);
  has_changed_ = has_changed_ || count > 0;
  has_moved_ = has_moved_ || count >= kMovedBytes;
  for (std::size_t i = 0; i < kWindow; ++i)
    if (window[i] != first_[i]) constant_ &= static_cast<std::uint16_t>(~(1U << i));
  last_ = window[0];
}

// The same read over and over. Two address bytes make one that is incomplete: such a part reads on
// through its memory, whatever it makes of the one. A pointer of one byte stays where it is set.
bool WidthProbe::sweep(I2cChannel& channel) {
  for (unsigned i = 0; i < kSweepWindowsPerStep; ++i, ++index_) {
    std::array<std::byte, kOddBytes> window;
    if (!read_near(channel, 0, window)) return false;
    note(Bytes(window).first(kWindow));
  }
  if (index_ == kSweepWindows) judge_sweep();
  return true;
}

void WidthProbe::judge_sweep() {
  bool has_fixed_byte = false;
  for (std::size_t i = 0; i < kWindow; ++i)
    if ((constant_ >> i & 1U) != 0 && !is_blank(first_[i])) has_fixed_byte = true;
  if (has_moved_) {
    // Registers that live have a neighbour that does not; a memory rarely has such columns.
    if (has_fixed_byte || likeness_ == Likeness::strong) return finish(0, Errc::undecided);
    expect_two_bytes();
    return;
  }
  if (has_changed_) return finish(0, has_fixed_byte ? Errc::bad_magic : Errc::undecided);
  if (likeness_ == Likeness::strong || (likeness_ == Likeness::faint && repeats_soon(first_)))
    return finish(0, Errc::bad_magic);
  if (!all_equal(first_)) return finish(0, Errc::undecided);
  index_ = 0;
  stage_ = Stage::read_on;
}

// Uniform so far: on for 256 bytes, which is once around a counter of eight bits, twice from 0 and
// twice from where the counter stands. It never goes beyond the 256th: there a part of several
// blocks goes on with the next.
bool WidthProbe::read_on(I2cChannel& channel) {
  std::array<std::byte, 256> content;
  const bool is_from_0 = index_ < 2;
  if (!read_near(channel, 0, MutableBytes(content).first(is_from_0 ? 256 : 1))) return false;
  if (!is_from_0) {
    if (!read_here(channel, MutableBytes(content).subspan(1))) return false;
    // A counter of sixteen bits is now where it was, less what an incomplete address did to it.
    std::byte ignored;
    if (!read_here(channel, {&ignored, 1})) return false;
  }
  if (best_score_ != 0) {
    // Seen the first time. A counter of eight bits sees the same again.
    const Bytes there = Bytes(content).subspan(best_offset_, kWindow);
    has_moved_ = differences(there, best_) >= kMovedBytes;
    if (has_moved_)
      expect_two_bytes();
    else
      stage_ = Stage::look_again;
    return true;
  }
  find_best(content);
  ++index_;
  if (best_score_ == 0) {
    if (index_ == kReadOnSteps) finish_uniform(first_[0]);
  } else if (index_ > 1) {
    // There was nothing the first time.
    has_moved_ = differences(best_, first_) >= kMovedBytes;
    if (has_moved_)
      expect_two_bytes();
    else
      finish(0, Errc::undecided);
  }
  return true;
}

// A counter of sixteen bits may stand in what is blank of a large part. Reading on brings it
// around, where the part is not larger than most are.
bool WidthProbe::read_further(I2cChannel& channel) {
  std::array<std::byte, 256> content;
  if (!read_here(channel, content)) return false;
  if (!all_equal(content) || content[0] != last_)
    expect_two_bytes();
  else if (++index_ == kReadFurtherSteps)
    finish_uniform(last_);
  return true;
}

// Of the windows that are not as the first one: one that is not uniform, with as much in it as can
// be.
void WidthProbe::find_best(Bytes content) {
  for (std::size_t at = 0; at < content.size(); at += kWindow) {
    const Bytes window = content.subspan(at, kWindow);
    std::uint8_t score = all_equal(window) ? 0 : kWindow;
    for (const std::byte b : window) score = static_cast<std::uint8_t>(score + (b != first_[0]));
    if (score <= best_score_) continue;
    best_score_ = score;
    copy_bytes(window, best_);
    best_offset_ = static_cast<std::uint8_t>(at);
  }
}

// As look(), where there is something to see.
bool WidthProbe::look_again(I2cChannel& channel) {
  // All windows were uniform, so the edge between two of them is what can be told from its
  // neighbour.
  const bool is_edge = best_score_ <= kWindow;
  if (is_edge) best_offset_ = static_cast<std::uint8_t>(best_offset_ - kWindow / 2);
  Window window, again, next;
  if (!read_near(channel, best_offset_, window)) return false;
  if (!read_near(channel, best_offset_, again)) return false;
  if (!read_near(channel, best_offset_ + 1U, next)) return false;
  if (window == again && !all_equal(window) && is_shifted(window, next) &&
      (is_edge || window == best_)) {
    finish(1);
    return true;
  }
  if (!is_edge && differences(window, best_) >= kMovedBytes)
    expect_two_bytes();
  else
    finish(0, Errc::undecided);
  return true;
}

void WidthProbe::expect_two_bytes() {
  index_ = 1;
  stage_ = Stage::doubt;
}

// Before a second byte goes out: nowhere in 256 bytes may a reading be the same twice, unless it is
// uniform. It is with a pointer of one byte wherever registers do not live, however many of those
// do that were seen so far.
bool WidthProbe::doubt(I2cChannel& channel) {
  for (unsigned i = 0; i < kDoubtWindowsPerStep && index_ < 256 / kWindow; ++i, ++index_) {
    std::array<std::byte, kOddBytes> first;
    Window again;
    if (!read_near(channel, index_ * kWindow, first)) return false;
    if (!read_near(channel, index_ * kWindow, again)) return false;
    const Bytes window = Bytes(first).first(kWindow);
    if (!same_bytes(window, again) || all_equal(window)) continue;
    finish(0, Errc::undecided);
    return true;
  }
  if (index_ == 256 / kWindow) stage_ = Stage::two_bytes;
  return true;
}

// Should this be a part of one address byte after all, against every sign, the second byte is what
// that part holds already where the first one points: a part that commits it changes nothing.
bool WidthProbe::try_two_bytes(I2cChannel& channel) {
  Window window, again;
  if (!read_far(channel, std::to_integer<std::size_t>(last_), window)) return false;
  if (!read_far(channel, std::to_integer<std::size_t>(last_), again)) return false;
  index_ = 0;
  if (window == again)
    stage_ = Stage::scan;
  else
    finish(0, Errc::undecided);
  return true;
}

// Now the same with two bytes, at the first place that is not uniform.
bool WidthProbe::scan(I2cChannel& channel) {
  for (unsigned i = 0; i < kScanWindowsPerStep && index_ < 256 / kWindow; ++i, ++index_) {
    const std::size_t offset = index_ * kWindow;
    Window window, again, next;
    if (!read_far(channel, offset, window)) return false;
    if (index_ == 0) first_[0] = window[0];
    if (all_equal(window) && window[0] == first_[0]) continue;
    // The edge between two uniform windows, or the window itself.
    const std::size_t from = all_equal(window) ? offset - kWindow / 2 : offset;
    if (!read_far(channel, from, again)) return false;
    if (!read_far(channel, from + 1, next)) return false;
    const bool is_addressed = is_shifted(again, next) && (from != offset || again == window);
    finish(is_addressed ? 2 : 0, is_addressed ? Errc{} : Errc::undecided);
    return true;
  }
  if (index_ == 256 / kWindow) finish_uniform(first_[0]);
  return true;
}

}  // namespace mpyd::eeprom
