#include "protocol/eeprom/part_probe.hpp"

namespace mpyd::eeprom {
namespace {

constexpr std::uint32_t kBlockBytes = 256;
// A pattern that repeats sooner than the smallest part is no memory's way to repeat.
constexpr std::size_t kSmallestPartBytes = 128;
// 24C32, the smallest with two address bytes, and the most that two can address.
constexpr std::uint8_t kSmallestWidePower = 12;
constexpr std::uint8_t kLargestWidePower = 16;
constexpr std::uint8_t kFirstPowerTried = 4;
// What two places of a memory are compared by: small windows, until one
// differs.
constexpr std::size_t kWindowBytes = 16;
constexpr std::uint8_t kWindows = 14;
constexpr std::uint8_t kWindowsPerStep = 7;

// FNV-1a. Two boards of different content that look the same are one in four thousand million.
std::uint32_t mark_of(Bytes bytes) {
  std::uint32_t mark = 0x811c9dc5;
  for (const std::byte b : bytes) mark = (mark ^ std::to_integer<std::uint32_t>(b)) * 0x01000193;
  return mark;
}

bool repeats_after(Bytes content, std::size_t bytes) {
  return same_bytes(content.subspan(bytes), content.first(content.size() - bytes));
}

Result<void> read_wide(I2cChannel& channel, std::uint8_t address, std::uint32_t offset,
                       MutableBytes out) {
  const std::array<std::byte, 2> word{static_cast<std::byte>(offset >> 8 & 0xff),
                                      static_cast<std::byte>(offset & 0xff)};
  return channel.write_read(address, word, out);
}

constexpr std::uint8_t address_at(std::size_t index) {
  return static_cast<std::uint8_t>(kPartAddressFirst + index);
}

}  // namespace

void PartProbe::start(const Place& place) {
  place_ = place;
  stage_ = Stage::width;
  at_ = static_cast<std::uint8_t>(place.first_address - kPartAddressFirst);
  in_width_ = false;
  has_tried_blank_ = false;
  covers_all_ = place.first_address == kPartAddressFirst && place.last_address == kPartAddressLast;
  seen_ = {};
  count_ = 0;
}

Result<bool> PartProbe::step(I2cChannel& channel) {
  switch (stage_) {
    case Stage::width:
      MPYD_TRY(find_width(channel));
      break;
    case Stage::content:
      MPYD_TRY(read_content(channel));
      break;
    case Stage::next:
      MPYD_TRY(read_next(channel));
      break;
    case Stage::again:
      MPYD_TRY(read_again(channel));
      break;
    case Stage::size:
      MPYD_TRY(measure(channel));
      break;
    case Stage::mark:
      MPYD_TRY(read_mark(channel));
      break;
    case Stage::done:
      break;
  }
  return stage_ == Stage::done;
}

Result<void> PartProbe::find_width(I2cChannel& channel) {
  if (in_width_) return work_on_width(channel);
  if (at_ >= kPartsMax || address_at(at_) > place_.last_address) return finish_widths();
  Seen& seen = seen_[at_];
  // A read: an address to write, with nothing behind it, brings some parts out of step.
  std::byte ignored;
  const auto answered = channel.write_read(address_at(at_), {}, {&ignored, 1});
  if (!answered && answered.error() != Errc::no_device) return answered;
  if (!answered) {
    ++at_;
  } else if (place_.address_bytes != 0) {
    seen.kind = place_.address_bytes == 2 ? Kind::two_bytes : Kind::one_byte;
    place_.address_bytes = 0;
    ++at_;
  } else {
    width_.start(address_at(at_));
    in_width_ = true;
  }
  return {};
}

Result<void> PartProbe::work_on_width(I2cChannel& channel) {
  MPYD_TRY_ASSIGN(const bool is_done, width_.step(channel));
  if (!is_done) return {};
  Seen& seen = seen_[at_];
  seen.trouble = width_.trouble();
  if (width_.is_uniform()) {
    seen.kind = Kind::uniform;
    seen.value = width_.value();
    seen.mark = mark_of({&seen.value, 1});
  } else if (width_.address_bytes() == 0) {
    seen.kind = Kind::other;
  } else {
    seen.kind = width_.address_bytes() == 2 ? Kind::two_bytes : Kind::one_byte;
  }
  in_width_ = false;
  ++at_;
  return {};
}

Result<void> PartProbe::finish_widths() {
  if (count(Kind::absent) == kPartsMax) return fail(Errc::no_device);
  if (!has_tried_blank_ && covers_all_ && count(Kind::uniform) == 1 && count(Kind::one_byte) == 0) {
    has_tried_blank_ = true;
    for (at_ = 0; seen_[at_].kind != Kind::uniform;) ++at_;
    in_width_ = seen_[at_].trouble == Errc::blank;
    if (in_width_) {
      width_.start_blank(address_at(at_), seen_[at_].value);
      // Nothing is left behind this one.
      place_.last_address = address_at(at_);
      return {};
    }
  }
  stage_ = count(Kind::one_byte) != 0 ? Stage::content : Stage::size;
  at_ = 0;
  power_ = kFirstPowerTried;
  window_ = 0;
  advance();
  return {};
}

std::size_t PartProbe::count(Kind kind) const {
  std::size_t sum = 0;
  for (const Seen& seen : seen_) sum += seen.kind == kind ? 1U : 0U;
  return sum;
}

bool PartProbe::wants(Stage stage, const Seen& seen) const {
  switch (stage) {
    // A blank block of a part of several blocks is recognised by its neighbours.
    case Stage::content:
    case Stage::next:
      return seen.kind == Kind::one_byte || seen.kind == Kind::uniform;
    case Stage::size:
    case Stage::mark:
      return seen.kind == Kind::two_bytes;
    default:
      return false;
  }
}

void PartProbe::advance() {
  while (true) {
    for (; at_ < kPartsMax; ++at_)
      if (wants(stage_, seen_[at_])) return;
    at_ = 0;
    switch (stage_) {
      case Stage::content:
        stage_ = Stage::next;
        break;
      case Stage::next:
        stage_ = Stage::size;
        break;
      case Stage::size:
        stage_ = Stage::mark;
        break;
      default:
        if (find_stray()) {
          stage_ = Stage::again;
        } else {
          assemble();
          stage_ = Stage::done;
        }
        return;
    }
  }
}

Result<void> PartProbe::read_content(I2cChannel& channel) {
  std::array<std::byte, kBlockBytes> content;
  const std::byte word{0};
  MPYD_TRY(channel.write_read(address_at(at_), {&word, 1}, content));
  judge_content(content);
  ++at_;
  advance();
  return {};
}

void PartProbe::judge_content(Bytes content) {
  Seen& seen = seen_[at_];
  seen.mark = mark_of(content);
  seen.is_open = repeats_after(content, 1);
  if (seen.is_open) return;
  for (std::size_t bytes = 2; bytes < kSmallestPartBytes; ++bytes)
    if (repeats_after(content, bytes)) seen.is_short = true;
  seen.is_half = repeats_after(content, kSmallestPartBytes);
}

// From the last byte of the block on: the rest is the next block, or this one again.
Result<void> PartProbe::read_next(I2cChannel& channel) {
  std::array<std::byte, 1 + kBlockBytes> content;
  const std::byte word{kBlockBytes - 1};
  MPYD_TRY(channel.write_read(address_at(at_), {&word, 1}, content));
  seen_[at_].next = mark_of(Bytes(content).subspan(1));
  ++at_;
  advance();
  return {};
}

// Reading on from this address brought neither its own content nor its neighbour's.
Result<void> PartProbe::read_again(I2cChannel& channel) {
  std::array<std::byte, kBlockBytes> content;
  const std::byte word{0};
  MPYD_TRY(channel.write_read(address_at(at_), {&word, 1}, content));
  Seen& seen = seen_[at_];
  if (seen.mark != mark_of(content) || covers_all_) {
    // It lives, or it goes on as no memory does.
    seen.kind = Kind::other;
    seen.trouble = Errc::bad_magic;
  } else {
    // What it goes on with may lie at an address that this slot leaves to others.
    seen.next = seen.mark;
    seen.is_open = true;
  }
  stage_ = Stage::mark;
  at_ = kPartsMax;
  advance();
  return {};
}

// Whether the part answers at 1 << power_ as it does at 0.
Result<void> PartProbe::measure(I2cChannel& channel) {
  for (unsigned i = 0; i < kWindowsPerStep; ++i) {
    std::array<std::byte, kWindowBytes> near, far;
    const std::uint32_t offset = window_ * kWindowBytes;
    MPYD_TRY(read_wide(channel, address_at(at_), offset, near));
    MPYD_TRY(read_wide(channel, address_at(at_), (1U << power_) + offset, far));
    if (window_ == 0) {
      value_ = near[0];
      is_uniform_ = true;
    }
    for (const std::byte b : near) is_uniform_ = is_uniform_ && b == value_;
    if (near != far) {
      window_ = 0;
      if (++power_ == kLargestWidePower) finish_size(1U << kLargestWidePower);
      return {};
    }
    if (++window_ == kWindows) break;
  }
  // Content that is the same all over, or that repeats sooner than the smallest part does, says
  // nothing about the size.
  if (window_ == kWindows)
    finish_size(is_uniform_ || power_ < kSmallestWidePower ? 0 : 1U << power_);
  return {};
}

void PartProbe::finish_size(std::uint32_t size) {
  seen_[at_].size = size;
  window_ = 0;
  power_ = kFirstPowerTried;
  ++at_;
  advance();
}

Result<void> PartProbe::read_mark(I2cChannel& channel) {
  std::array<std::byte, kBlockBytes> content;
  MPYD_TRY(read_wide(channel, address_at(at_), 0, content));
  seen_[at_].mark = mark_of(content);
  ++at_;
  advance();
  return {};
}

// The blocks of a part follow one another, and after the last comes the first.
bool PartProbe::continues(std::size_t first, unsigned blocks) const {
  for (unsigned i = 0; i < blocks; ++i) {
    const Seen& seen = seen_[first + i];
    if (seen.is_taken || !wants(Stage::next, seen)) return false;
    if (seen.next != seen_[first + (i + 1) % blocks].mark) return false;
  }
  // An address of equal content that goes on differently is another block, not a mirror.
  for (std::size_t i = first + blocks; i < kPartsMax; ++i) {
    const Seen& other = seen_[i];
    const Seen& block = seen_[first + (i - first) % blocks];
    if (wants(Stage::next, other) && other.mark == block.mark && other.next != block.next)
      return false;
  }
  return true;
}

// Of a part of one block; 0: not known.
std::uint32_t PartProbe::size_of_one(const Seen& seen) {
  if (seen.is_open) return 0;
  return seen.is_half ? kSmallestPartBytes : kBlockBytes;
}

// 0: none that it could be.
unsigned PartProbe::blocks_from(std::size_t first) const {
  for (unsigned blocks = 1; blocks <= kPartsMax && first % blocks == 0; blocks *= 2) {
    // Alone, a blank one does not show its width.
    if (blocks == 1 && seen_[first].kind == Kind::uniform) continue;
    if (continues(first, blocks)) return blocks;
  }
  return 0;
}

// Sets at_ to an address of one address byte that is no block of any part.
bool PartProbe::find_stray() {
  assemble();
  for (at_ = 0; at_ < kPartsMax; ++at_)
    if (seen_[at_].kind == Kind::one_byte && !seen_[at_].is_taken) return true;
  return false;
}

void PartProbe::assemble() {
  count_ = 0;
  for (Seen& seen : seen_) seen.is_taken = false;
  for (std::size_t i = 0; i < kPartsMax; ++i) {
    const Seen& seen = seen_[i];
    if (seen.kind == Kind::absent || seen.is_taken) continue;
    unsigned blocks = 1;
    if (wants(Stage::next, seen) && count(Kind::one_byte) != 0) blocks = blocks_from(i);
    if (blocks == 0 && seen.kind == Kind::one_byte) continue;
    add_part(i, blocks == 0 ? 1 : blocks);
  }
}

void PartProbe::add_part(std::size_t first, unsigned blocks) {
  const Seen& seen = seen_[first];
  Part part{.address = address_at(first)};
  trouble_[count_] = {};
  if (seen.kind == Kind::one_byte && blocks == 1 && seen.is_short) {
    trouble_[count_] = Errc::undecided;
  } else if (seen.kind == Kind::two_bytes) {
    part.address_bytes = 2;
    part.size = seen.size;
  } else if (seen.kind == Kind::one_byte || blocks > 1) {
    part.address_bytes = 1;
    part.blocks = static_cast<std::uint8_t>(blocks);
    part.size = blocks > 1 ? kBlockBytes * blocks : size_of_one(seen);
  } else {
    trouble_[count_] = seen.trouble;
  }
  for (std::size_t i = first; i < kPartsMax; ++i) {
    if (seen_[i].is_taken) continue;
    if (i >= first + blocks && !is_mirror(seen_[i], seen_[first + (i - first) % blocks])) continue;
    seen_[i].is_taken = true;
    part.answers_until = address_at(i);
  }
  parts_[count_++] = part;
}

bool PartProbe::is_mirror(const Seen& seen, const Seen& block) const {
  const bool is_alike =
      seen.kind == block.kind || (wants(Stage::next, seen) && wants(Stage::next, block));
  // Where no content was read, there is nothing to compare.
  return is_alike && seen.mark != 0 && seen.mark == block.mark && seen.next == block.next &&
         seen.size == block.size;
}

}  // namespace mpyd::eeprom
