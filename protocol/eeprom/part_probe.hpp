// Finds the memories on one channel, and how each is addressed, by reading only. Whatever happens
// in the middle, also a reset of the master at any bit, no byte of any EEPROM, F-RAM or register
// changes. schema/eeprom/probing.md has the rules and their reasons.
#pragma once

#include <array>
#include <span>

#include "protocol/eeprom/part.hpp"
#include "protocol/eeprom/part_width.hpp"

namespace mpyd::eeprom {

// What is known beforehand of a slot.
struct Place {
  std::uint8_t first_address = kPartAddressFirst;  // kPartAddressFirst..kPartAddressLast
  std::uint8_t last_address = kPartAddressLast;    // likewise
  // 1 or 2: of the part at the lowest address that answers, not asked for there; 0: to be found.
  // Other addresses may be somebody else's, so they are probed whatever stands here.
  std::uint8_t address_bytes = 0;
};

// No heap; one object serves one channel at a time.
class PartProbe {
 public:
  static constexpr std::size_t kPartsMax = kPartAddressLast - kPartAddressFirst + 1U;
  // On the bus in one step, address bytes included.
  static constexpr std::size_t kStepBytesMax = WidthProbe::kStepBytesMax;

  // Also while another probe runs, which is given up.
  void start(const Place& place);
  // One bounded step. True: done, parts() and trouble() hold what was found; false: call again.
  // Errors: no_device (nothing answers, or it went away in the middle), io, timeout; start() again.
  Result<bool> step(I2cChannel& channel);
  // Each memory once: addresses of equal content are one part, blocks that continue one another
  // are one part. Sorted by address.
  std::span<const Part> parts() const { return {parts_.data(), count_}; }
  // Why a part is no memory to be read: {} (it is one), undecided, blank (all ff or all 00, so that
  // its width does not show), bad_magic (registers).
  Errc trouble(std::size_t part) const { return trouble_[part]; }

 private:
  enum class Stage : std::uint8_t { width, content, next, again, size, mark, done };
  // What one address showed.
  enum class Kind : std::uint8_t { absent, one_byte, two_bytes, uniform, other };
  struct Seen {
    Kind kind = Kind::absent;
    std::byte value{};      // of uniform
    bool is_taken = false;  // by a part
    bool is_half = false;   // 128 bytes, twice
    bool is_short = false;  // repeats sooner than the smallest part
    bool is_open = false;   // where it ends does not show
    Errc trouble{};
    std::uint32_t mark = 0;  // stands for the first 256 bytes
    std::uint32_t next = 0;  // likewise, for the 256 bytes that reading on brings
    std::uint32_t size = 0;  // of two_bytes
  };

  Result<void> find_width(I2cChannel& channel);
  Result<void> work_on_width(I2cChannel& channel);
  Result<void> finish_widths();
  Result<void> read_content(I2cChannel& channel);
  Result<void> read_next(I2cChannel& channel);
  Result<void> read_again(I2cChannel& channel);
  Result<void> measure(I2cChannel& channel);
  void finish_size(std::uint32_t size);
  Result<void> read_mark(I2cChannel& channel);
  // The next address, from at_ on, that the stage is about; else the stage after it.
  void advance();
  bool wants(Stage stage, const Seen& seen) const;
  void judge_content(Bytes content);

  std::size_t count(Kind kind) const;
  unsigned blocks_from(std::size_t first) const;
  bool continues(std::size_t first, unsigned blocks) const;
  bool find_stray();
  bool is_mirror(const Seen& seen, const Seen& block) const;
  static std::uint32_t size_of_one(const Seen& seen);
  void assemble();
  void add_part(std::size_t first, unsigned blocks);

  Place place_;
  Stage stage_ = Stage::done;
  std::uint8_t at_ = 0;      // index of the address in work
  std::uint8_t power_ = 0;   // the size 1 << power_ is being tried
  std::uint8_t window_ = 0;  // so far it looks like it
  bool is_uniform_ = false;  // all of value_
  std::byte value_{};
  bool in_width_ = false;
  bool has_tried_blank_ = false;
  bool covers_all_ = true;  // so that no block of a part can lie at an address left out
  WidthProbe width_;
  std::array<Seen, kPartsMax> seen_{};
  std::array<Part, kPartsMax> parts_{};
  std::array<Errc, kPartsMax> trouble_{};
  std::size_t count_ = 0;
};

}  // namespace mpyd::eeprom
